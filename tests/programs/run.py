#!/usr/bin/env python3
"""Runs small programs natively or as two versions under mx, and compares what can be seen.

A program must print what its `// expect:` lines say, exit as `// exit:` says, and leave the same
files behind in every mode. README.md lists the directives and the modes.
"""
import argparse
import os
import resource
import shlex
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True  # the source folder stays clean
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))  # -I leaves it out

from program import Program
from report import NOT_STRUCK, check_report, leader_events
from runner import become_reaper, run, snapshot

STATUS_FAILED, STATUS_MISUSED = 1, 2
ATTEMPTS = 3  # at a fault, for programs whose number of calls differs from run to run


class Failure(Exception):
    """A run that is not as it should be; `text` is for people."""


def difference(name, wanted, got, wanted_from, got_from):
    """A unified diff of two texts under a heading, or '' when they are equal."""
    if wanted == got:
        return ""
    import difflib  # only now: most runs need none, and it is slow to load
    lines = difflib.unified_diff(wanted.splitlines(), got.splitlines(), f"{name} ({wanted_from})",
                                 f"{name} ({got_from})", lineterm="")
    return "\n".join(lines) + "\n"


def describe_tree(tree):
    return "\n".join(f"{path} {kind} {mode:o} {content!r}"
                     for path, (kind, mode, content) in sorted(tree.items()))


class Session:
    """All runs of one program in one mode, in one temporary folder."""

    def __init__(self, options, program):
        self.options = options
        self.program = program
        self.binary = os.path.join(os.path.abspath(options.build), program.name)
        self.folder = tempfile.mkdtemp(prefix=f"mx-{program.name}.{options.mode}-")
        os.chmod(self.folder, 0o755)  # some programs drop root and go on in the folder
        self.cwd = os.path.join(self.folder, "cwd")

    def execute(self, label, command, environment):
        """Runs `command` in a fresh folder of the same name; returns (result, file tree)."""
        os.mkdir(self.cwd)
        result = run(command, self.cwd, self.program.stdin, environment, self.options.timeout)
        tree = snapshot(self.cwd)
        os.rename(self.cwd, os.path.join(self.folder, label))
        for stream, text in (("stdout", result.stdout), ("stderr", result.stderr)):
            with open(os.path.join(self.folder, f"{label}.{stream}"), "w") as file:
                file.write(text)
        if result.trouble:
            raise Failure(f"{label} run: {result.trouble}\n" + self.replay(command, environment)
                          + f"stdout so far:\n{result.stdout}stderr so far:\n{result.stderr}")
        return result, tree

    def replay(self, command, environment):
        assignments = "".join(f"{key}={shlex.quote(value)} " for key, value in environment.items())
        stdin = f"printf %s {shlex.quote(self.program.stdin)} | " if self.program.stdin else ""
        end = "" if stdin else " </dev/null"
        return (f"replay: mkdir -p {self.cwd} && cd {self.cwd} && "
                f"{stdin}{assignments}{shlex.join(command)}{end}\n")

    def native(self):
        command = [self.binary, *self.program.args]
        result, tree = self.execute("native", command, {})
        wanted = (self.program.expect, self.program.expect_stderr, f"{self.program.exit}\n", "")
        self.compare(wanted, (result.stdout, result.stderr, f"{result.status}\n", ""),
                     "expected", "native", command, {})
        return result, tree

    def compare(self, wanted, got, wanted_from, got_from, command, environment):
        names = ("standard output", "standard error", "exit status", "files")
        diff = "".join(difference(name, w, g, wanted_from, got_from)
                       for name, w, g in zip(names, wanted, got))
        if diff:
            raise Failure(diff + self.replay(command, environment))

    def under_mx(self, label, lockstep, native, environment, killed=False, may_miss=False):
        """Runs the program as both versions; returns the path of the report, None if the fault `may_miss` and did."""
        native_result, native_tree = native
        report = os.path.join(self.folder, f"{label}.report")
        command = [os.path.abspath(self.options.mx), "run", "--old", self.binary, "--new", self.binary,
                   "--lockstep", lockstep, "--report", report,
                   *(["--threads", "serial"] if self.options.threads == "serial" else []), "--", *self.program.args]
        result, tree = self.execute(label, command, environment)
        stdout = native_result.stdout if self.program.expect_mx is None else self.program.expect_mx
        self.compare((stdout, native_result.stderr, f"{native_result.status}\n",
                      describe_tree(native_tree)),
                     (result.stdout, result.stderr, f"{result.status}\n", describe_tree(tree)),
                     "native", label, command, environment)
        problems = check_report(report, result.status, self.program.report_allows, killed)
        if may_miss and problems == [NOT_STRUCK]:
            return None
        if problems:
            raise Failure("".join(f"report: {p}\n" for p in problems) + f"report file: {report}\n"
                          + self.replay(command, environment))
        return report

    def perform(self):
        native = self.native()
        mode = self.options.mode
        if mode in ("window", "full"):
            self.under_mx(mode, mode, native, {})
        elif mode == "killed":
            report = self.under_mx("counted", "window", native, {})
            kind, at = self.options.fault.split("@")
            try:
                event = at_event(at, leader_events(report))
            except (KeyError, TypeError) as error:
                raise Failure(f"report: the exit event does not tell the number of events "
                              f"({error!r}): {report}\n") from error
            for attempt in range(ATTEMPTS):
                label = f"killed{attempt or ''}"
                last = attempt == ATTEMPTS - 1
                report = self.under_mx(label, "window", native, {"MX_FAULT": f"{kind}:{event}"}, killed=True,
                                       may_miss=not last)
                if report:
                    return
                # It made fewer calls than in the run before (it polls, say), and ended before the fault.
                missed = os.path.join(self.folder, f"{label}.report")
                event = at_event(at, leader_events(missed))


def at_event(place, events):
    """The number of the event that a fault strikes at: a part of all, or the number itself."""
    return int(place) if float(place) >= 1 else max(1, int(events * float(place)))


def run_program(options, name):
    """Runs one program in one mode; prints a line and returns True if all is well."""
    program = Program(name)
    if program.modes and options.mode not in program.modes:
        print(f"FAIL {name}.{options.mode}: mode excluded: {program.modes_reason}")
        return False
    session = Session(options, program)
    if not os.access(session.binary, os.X_OK):
        print(f"FAIL {name}.{options.mode}: {session.binary} is not built "
              "(cmake --build BUILD --target programs; musl programs need musl-tools)")
        shutil.rmtree(session.folder)
        return False
    try:
        session.perform()
    except Failure as failure:
        print(f"FAIL {name}.{options.mode}\n{failure}kept: {session.folder}")
        return False
    if options.keep:
        print(f"kept: {session.folder}")
    else:
        shutil.rmtree(session.folder)
    print(f"ok {name}.{options.mode}")
    return True


def parse_options(arguments):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, metavar="DIR", help="folder with the built programs")
    parser.add_argument("--mode", required=True, choices=("native", "window", "full", "killed"))
    parser.add_argument("--mx", metavar="PATH", help="the mx command (all modes but native)")
    parser.add_argument("--timeout", type=float, default=20, metavar="SECONDS", help="for each run (20)")
    parser.add_argument("--fault", default="kill@0.5", metavar="KIND@PART",
                        help="mode killed: kill, kill-after or ill, at which part (kill@0.5) or number (ill@7) of the "
                             "leader's events")
    parser.add_argument("--threads", choices=("parallel", "serial"), default="parallel",
                        help="as mx run has it (parallel)")
    parser.add_argument("--repeat", type=int, default=1, metavar="N", help="run everything N times")
    parser.add_argument("--keep", action="store_true", help="keep the folders of good runs too")
    parser.add_argument("programs", nargs="+", metavar="PROGRAM", help="name, without .c or .cpp")
    options = parser.parse_args(arguments)
    if options.mode != "native" and not (options.mx and os.access(options.mx, os.X_OK)):
        print(f"mode {options.mode} needs mx: give --mx PATH of a built mx "
              f"(got {options.mx or 'nothing'})", file=sys.stderr)
        sys.exit(STATUS_MISUSED)
    return options


def main(arguments):
    options = parse_options(arguments)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would look like an effect
    become_reaper()
    results = [run_program(options, name)
               for _ in range(options.repeat) for name in options.programs]
    sys.exit(0 if all(results) else STATUS_FAILED)


if __name__ == "__main__":
    main(sys.argv[1:])
