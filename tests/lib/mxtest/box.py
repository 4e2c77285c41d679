"""One run of a scenario in one mode: its folder, its programs, its reports."""

import os
import pathlib
import shlex
import shutil
import subprocess

from . import settings
from .net import wait_until_connects
from .process import Failure, Program, end_leftovers
from .report import Report

NATIVE, AGAIN = "native", "again"
BAD_NEWS = {"crash", "hang", "failover", "dropped", "divergence", "refused", "recovery", "promoted", "note"}


class Box:
    """Runs programs natively or as two versions under mx, by its `mode` ("native", "window" or "full").

    The folder has the same path in every mode, so that output which holds paths can be compared.
    `allow` names the report events that are no failure here.
    """

    def __init__(self, folder, mode, allow=(), pairs=None):
        """`pairs`: from a program's path to two other files of it, which run in its place."""
        self.folder, self.mode, self.allow, self.pairs = pathlib.Path(folder), mode, set(allow), pairs or {}
        self.programs, self.messages = [], []
        self.folder.mkdir(parents=True)
        self._logs = pathlib.Path(f"{folder}.logs")
        shutil.rmtree(self._logs, ignore_errors=True)
        self._logs.mkdir()

    @property
    def native(self):
        return self.mode in (NATIVE, AGAIN)

    def path(self, *parts):
        return self.folder.joinpath(*parts)

    def write(self, name, content, mode=0o644):
        """Writes a file (str or bytes) in the folder and returns its path."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return path

    def start(self, argv, new=None, *, native=None, ready=None, options=(), env=None, cwd=None, tag=None, stdin=subprocess.DEVNULL,
              outside=False, preexec=None, seconds=30):
        """Starts a program and returns it. `new` is the second version (default: the same file); `native` is what runs
        natively (default: argv[0], the old version); `options` go to `mx run`; `ready` is a port to wait for; `outside` runs it natively in every mode (a helper, not the subject)."""
        argv = [str(a) for a in argv]
        if not os.path.isabs(argv[0]):
            argv[0] = _which(argv[0])
        if not outside and argv[0] in self.pairs:
            argv[0], new = self.pairs[argv[0]]
        name = f"{len(self.programs)}-{tag or os.path.basename(argv[0])}"
        command, report = [str(native), *argv[1:]] if native else argv, None
        if not (self.native or outside):
            report = Report(self._logs / f"{name}.report")
            command = [str(settings.mx()), "run", "--old", argv[0], "--new", str(new or argv[0]), "--lockstep", self.mode,
                       "--report", report.path, *options, "--", *argv[1:]]
        program = Program(command, self._logs, name, env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
                          stdin=stdin, report=report, tag=tag, preexec=_in_folder(cwd or self.folder, preexec))
        self.programs.append(program)
        if ready is not None:
            try:
                wait_until_connects(ready, seconds=seconds, alive=program.alive)
            except TimeoutError as problem:
                raise Failure(f"{problem}\n{program.output()}") from None
        return program

    def run(self, argv, new=None, *, seconds=120, input=None, **more):
        """Runs a program to its end and returns Done. `input` (bytes) is its standard input."""
        stdin = subprocess.DEVNULL
        if input is not None:
            stdin = open(self._file("input", input), "rb")
        try:
            program = self.start(argv, new, stdin=stdin, **more)
        finally:
            if input is not None:
                stdin.close()
        return program.wait(seconds)

    def shell(self, script, **more):
        """Runs a bash script under test."""
        return self.run(["/bin/bash", "-c", script], **more)

    def finish(self):
        """Ends what still runs and checks what must hold after every run: nothing left behind, clean reports."""
        for program in self.programs:
            if program.alive():
                self.messages.append(f"{program.tag} still ran at the end of the scenario\n{program.output()}")
                program.kill()
            program.close()
        left = end_leftovers()
        if left:
            self.messages.append("processes left behind:\n  " + "\n  ".join(left))
        for program in self.programs:
            if program.report:
                self._check(program)
        if self.messages:
            raise Failure("\n".join(self.messages))

    def _check(self, program):
        lines = program.report.lines()
        started = {line.get("version") for line in lines if line["event"] == "start"}
        if started != {"old", "new"}:
            self.messages.append(f"{program.tag}: both versions must start, the report names {started or 'none'}")
        for line in lines:
            if line["event"] in BAD_NEWS - self.allow:
                self.messages.append(f"{program.tag}: unexpected in the report: {line}")
        if self.messages:
            self.messages.append(program.output())

    def _file(self, name, content):
        path = self._logs / f"{len(self.programs)}-{name}"
        path.write_bytes(content)
        return path

    def replay(self):
        """Shell commands that repeat the runs of this box."""
        return "\n".join(f"  cd {shlex.quote(str(self.folder))} && {shlex.join(p.command)}" for p in self.programs)

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(self._logs, ignore_errors=True)


def _in_folder(folder, more):
    def enter():
        os.chdir(folder)
        if more:
            more()
    return enter


def _which(name):
    path = shutil.which(name)
    if not path:
        raise Failure(f"{name} is not installed (tests/run.sh installs what the tests need)")
    return path
