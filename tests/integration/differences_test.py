"""Two versions that differ a little: what is aligned without a word, what is reported, and what a follower is dropped for."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from kill_test import program
from mxtest import Report, settings

ALIGNED = ("clock", "late clock", "time", "usage", "late usage", "id", "late id", "stat", "late stat", "fstat", "access", "link", "own", "file",
           "late file", "other file", "other stat", "proc", "missing", "memory")     # programs/differs.c does more of this
TIMES = 30


class Differences(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mx-differs-"))
        self.report = Report(self.folder / "report.jsonl")

    def tearDown(self):
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def talk(self, more, lockstep, whats):
        """One answer at a time, so that the follower has often caught up. `more`: the version that does more."""
        pair = [program("differs", "-DMORE"), program("differs")]
        old, new = pair if more == "old" else pair[::-1]
        command = [settings.mx(), "run", "--old", old, "--new", new, "--lockstep", lockstep, "--report", self.report.path]
        with subprocess.Popen([str(c) for c in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=self.folder) as running:
            for number, what in enumerate(whats, 1):
                running.stdin.write(what.encode() + b"\n")
                running.stdin.flush()
                answer = running.stdout.readline()
                self.assertTrue(answer.lstrip(b"+").startswith(f"{number} {what} ".encode()), self.report.text())
            running.stdin.close()
            self.assertEqual(5, running.wait(60))

    def events(self, *kinds):
        return [line for line in self.report.lines() if line["event"] in kinds]


    def test_leader_reads_to_the_end(self):
        """One read(2) more, which says that there is nothing left; the follower's own would need the leader's place in the file."""
        self.talk("old", "window", ["to the end"] * TIMES)
        self.assertEqual([], self.events("divergence", "dropped", "recovery", "failover"), self.report.text())

    def test_other_bytes(self):
        """The leader's go out, and the report has the first bytes that differ, of both."""
        self.talk("new", "window", ["bytes"])
        divergence, = self.events("divergence")
        self.assertEqual(("new", "write", "argument"), tuple(divergence[key] for key in ("version", "call", "kind")))
        self.assertEqual([], self.events("dropped", "recovery", "failover"), self.report.text())

    def test_other_calls(self):
        """Something that changes the outside, by one version only: the follower is dropped, and the leader goes on."""
        for more in ("old", "new"):
            self.talk(more, "window", ["name", "and", "on"])
            self.assertEqual(["new"], [line["version"] for line in self.events("dropped")], self.report.text())
            self.assertEqual([], self.events("failover", "crash"), self.report.text())
            os.unlink(self.report.path)


def _aligned(more, lockstep, what):
    def test(self):
        self.talk(more, lockstep, [what] * TIMES)
        self.assertEqual([], self.events("divergence", "dropped", "recovery", "failover"), self.report.text())
    setattr(Differences, f"test_{what.replace(' ', '_')}_{more}_{lockstep}", test)


for _more in ("old", "new"):
    for _lockstep in ("window", "full"):
        for _what in ALIGNED:
            _aligned(_more, _lockstep, _what)

if __name__ == "__main__":
    unittest.main(verbosity=2)
