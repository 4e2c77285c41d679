"""Recovery, one mechanism at a time: a version dies of a line, the other one's code carries it over, and it goes on.

The programs are built by gcc and clang, without and with optimisation; the mapping is the analyser's."""

import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))

from control_test import mx  # noqa: E402
from mxtest import Program, Report, settings  # noqa: E402
from talk import Pipes  # noqa: E402

KINDS = ("null", "divide", "assert", "exit", "stack", "throw", "callback", "talk")
DIALOGUES = ("talk", "frame")   # read, and answered, inside the function that fails
SOURCE = pathlib.Path(__file__).with_name("mechanisms.cpp")
PATIENCE = 60


class Run:
    def __init__(self, folder, old, new, *options):
        self.pipes, self.report, self.count = Pipes(), Report(folder / "report.jsonl"), 0
        self.environment = {**os.environ, "MX_STATE_DIR": str(folder / "state")}
        self.program = Program([settings.mx(), "run", "--id", "c", "--old", old, "--new", new, "--report", self.report.path, *options],
                               folder,
                               "mechanisms", env=self.environment, stdin=self.pipes.stdin, report=self.report,
                               preexec=lambda: os.dup2(self.pipes.stdout, 1))
        self.pipes.started()
        self.ask(None, "ready")

    def ask(self, line, answer=None):
        self.count += 1
        request = b"" if line is None else line.encode() + b"\n"
        self.pipes.ask(request, f"{self.count} {answer or line}\n".encode())

    def until(self, what, reached):
        end = time.monotonic() + PATIENCE
        while not reached():
            self.ask("work")    # a checkpoint is made at a call
            if time.monotonic() > end:
                raise TimeoutError(f"{what}:\n{self.report.text()}")

    def checkpoint(self, version):
        return json.loads(mx("status", "--json", "c", env=self.environment).stdout)["checkpoints"][version]["asleep"]

    def end(self):
        self.pipes.end()
        return self.program.wait(30).status


class Carry(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mx-carry-"))

    def tearDown(self):
        shutil.rmtree(self.folder)

    def clean(self):
        self.tearDown()
        self.folder.mkdir()

    def build(self, compiler, level, *more):
        for name, flags in (("good", ()), ("bad", ("-DBAD",))):
            subprocess.run([compiler, "-std=c++17", level, *flags, *more, "-o", self.folder / name, SOURCE], check=True)

    def one_after_the_other(self, compiler, level, bad, kinds=KINDS, *flags):
        self.build(compiler, level, *flags)
        pair = [self.folder / "bad", self.folder / "good"]
        run = Run(self.folder, *(pair if bad == "old" else pair[::-1]))
        for number, kind in enumerate(kinds, 1):
            run.until("a checkpoint", lambda: run.checkpoint(bad))
            run.ask(kind)
            if kind in DIALOGUES:
                run.ask("over", kind)
            run.until("the recovery", lambda: len(run.report.events("recovery")) >= number)
            last = run.report.events("recovery")[-1]
            self.assertEqual((bad, "resynchronised"), (last["version"], last["result"]), f"{kind}:\n{run.report.text()}")
        self.assertEqual(len(kinds), len(run.report.events("crash", version=bad)), run.report.text())
        mx("drop", "c", "new" if bad == "old" else "old", env=run.environment)     # it lives, and leads
        for _ in range(100):
            run.ask("alone")
        self.assertEqual(5, run.end())
        return run

    def test_lines_are_counted_in_a_file(self):
        """Mapped, shared: neither version sees the other's, and the file has what was counted."""
        for bad in ("old", "new"):
            with self.subTest(bad):
                run = self.one_after_the_other("g++", "-O2", bad, ("null", "stack", "talk"), "-DIN_FILE")
                self.assertEqual([], run.report.events("divergence") + run.report.events("note"))
                self.assertEqual(run.count, struct.unpack("i", (self.folder / "counts").read_bytes()[:4])[0])
                self.clean()

    def test_lines_are_counted_in_a_memfd(self):
        for bad in ("old", "new"):
            with self.subTest(bad):
                run = self.one_after_the_other("g++", "-O2", bad, ("null", "stack", "talk"), "-DIN_MEMFD")
                self.assertEqual([], run.report.events("divergence") + run.report.events("note"))
                self.clean()


def _add(compiler, level, bad):
    def test(self):
        self.one_after_the_other(compiler, level, bad)
    name = {"g++": "gcc", "clang++": "clang"}[compiler]
    setattr(Carry, f"test_{name}{level.replace('-', '_')}_{bad}_bad", test)

    def with_debug_information(self):   # DWARF tells how a frame that differs is rebuilt
        self.one_after_the_other(compiler, level, bad, ("frame", "talk", "frame"), "-g")
    setattr(Carry, f"test_frames_{name}{level.replace('-', '_')}_{bad}_bad", with_debug_information)


for _compiler in ("g++", "clang++"):
    for _level in ("-O0", "-O2"):
        for _bad in ("old", "new"):
            _add(_compiler, _level, _bad)

if __name__ == "__main__":
    unittest.main()
