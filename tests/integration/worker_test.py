"""Recovery of a child process: a parent that waits, and its worker, which fails and comes back as the parent's child."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "carry"))

from carry_test import SOURCE, Run  # noqa: E402
from control_test import mx, until  # noqa: E402

KINDS = ("null", "divide", "assert", "exit", "stack", "throw", "callback", "talk")
REPLAYED = {"null": "null_pointer", "stack": "deep"}    # and the function in which it crashes


class WorkerRun(Run):
    def status(self):
        return json.loads(mx("status", "--json", "c", env=self.environment).stdout)

    def checkpoint(self, version):
        return any(child[version]["asleep"] for child in self.status()["checkpoints"].get("children", []))

    def text(self):
        return "\n".join(json.dumps({k: v for k, v in line.items() if k not in ("last_calls", "functions")})
                         for line in self.report.lines())

    def pids(self, version):
        """Of the parent and the worker, real ones."""
        return self.status()["versions"][version]["pids"]


class Worker(unittest.TestCase):
    flags = ("-DMAPS",)     # maps a file for each line

    @classmethod
    def setUpClass(cls):
        cls.builds = pathlib.Path(tempfile.mkdtemp(prefix="mx-worker-"))
        for name, flags in (("good", ()), ("bad", ("-DBAD",))):
            subprocess.run(["g++", "-std=c++17", "-O2", "-DWORKER", *cls.flags, *flags, "-o", cls.builds / name, SOURCE], check=True)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.builds)

    def start(self, old, new, *options):
        folder = self.builds / self.id().rsplit(".", 1)[1]
        folder.mkdir()
        return WorkerRun(folder, self.builds / old, self.builds / new, *options)

    def comes_back(self, run, version, action):
        run.until("a checkpoint", lambda: run.checkpoint(version))
        before = len(run.report.events("recovery"))
        action()
        run.until("the recovery", lambda: len(run.report.events("recovery")) > before)
        last = run.report.events("recovery")[-1]
        self.assertEqual((version, "resynchronised"), (last["version"], last["result"]), run.text())

    def crash(self, run, kind):
        run.ask(kind)
        if kind == "talk":
            run.ask("over", "talk")

    def lives_alone(self, run, version):
        mx("drop", "c", "new" if version == "old" else "old", env=run.environment)
        for _ in range(100):
            run.ask("alone")
        self.assertEqual(5, run.end(), run.text())

    def kill_worker(self, run, version):
        os.kill(run.pids(version)[1], signal.SIGKILL)

    def crashes(self, bad):
        run = self.start(*(("bad", "good") if bad == "old" else ("good", "bad")))
        for kind in KINDS:
            with self.subTest(kind):
                self.comes_back(run, bad, lambda kind=kind: self.crash(run, kind))
        self.assertEqual([], run.report.events("dropped"), run.text())
        self.lives_alone(run, bad)

    def test_follower_crashes(self):
        self.crashes("new")

    def test_leader_crashes(self):
        self.crashes("old")

    def test_follower_is_killed(self):
        run = self.start("good", "good")
        for _ in range(3):
            self.comes_back(run, "new", lambda: self.kill_worker(run, "new"))
        self.assertEqual([], run.report.events("dropped"), run.text())
        self.lives_alone(run, "new")

    def test_recovered_leader_is_killed(self):
        """A worker that came back is a child of the monitor's: its death is no news for the parent."""
        run = self.start("good", "bad")
        self.comes_back(run, "new", lambda: self.crash(run, "null"))
        run.until("checkpoints of parent and worker", lambda: run.checkpoint("old") and run.status()["checkpoints"]["old"]["asleep"])
        mx("promote", "c", "new", env=run.environment)
        run.until("the former leaders follow", lambda: len(run.report.events("recovery", version="old")) == 2)
        self.comes_back(run, "new", lambda: self.kill_worker(run, "new"))
        self.assertEqual([], run.report.events("dropped"), run.text())
        self.assertEqual(5, run.end(), run.text())

    def test_leads_again(self):
        """The worker was born by a leader, and is nobody's child that the kernel knows when that one leads again."""
        run = self.start("good", "good")
        for to, other in (("new", "old"), ("old", "new")):
            run.until("checkpoints of parent and worker",
                      lambda other=other: run.checkpoint(other) and run.status()["checkpoints"][other]["asleep"])
            self.assertEqual(0, mx("promote", "c", to, env=run.environment).returncode)
            run.until("the former leaders follow", lambda other=other: len(run.report.events("recovery", version=other)) == 2)
        self.assertEqual(5, run.end(), run.text())

    def test_parent_takes_over(self):
        """The parent's leader is killed after its other version's worker was replaced: it can still wait for the worker."""
        run = self.start("good", "bad")
        self.comes_back(run, "new", lambda: self.crash(run, "null"))
        os.kill(run.pids("old")[0], signal.SIGKILL)
        run.until("the failover", lambda: run.report.events("failover"))
        for _ in range(100):
            run.ask("work")
        self.assertEqual(5, run.end(), run.text())

    def test_parent_comes_back(self):
        """The worker is no child of the copy that takes its parent's place: when that leads, it can wait for the worker."""
        run = self.start("good", "good")
        run.until("a checkpoint of the parent", lambda: run.status()["checkpoints"]["new"]["asleep"])
        os.kill(run.pids("new")[0], signal.SIGKILL)
        run.until("the recovery", lambda: run.report.events("recovery", version="new"))
        self.assertEqual("resynchronised", run.report.events("recovery")[-1]["result"], run.text())
        self.lives_alone(run, "new")

    def comes_again(self, bad):
        """The worker's crashes, from their bundles, when the program is gone."""
        run = self.start(*(("bad", "good") if bad == "old" else ("good", "bad")), "--replay-bundle")
        folders = []
        for kind in REPLAYED:
            self.comes_back(run, bad, lambda kind=kind: self.crash(run, kind))
            folders.append(pathlib.Path(run.report.events("crash")[-1]["directory"]))
            until("the bundle", lambda: any((folders[-1] / name).exists() for name in ("replay", "replay.txt")))
        self.assertEqual(5, run.end(), run.text())
        for (kind, function), folder in zip(REPLAYED.items(), folders):
            with self.subTest(kind):
                done = mx("replay", folder, env=run.environment, check=False)
                self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
                self.assertIn(function, done.stdout)

    def test_follower_crashes_again(self):
        self.comes_again("new")

    def test_leader_crashes_again(self):
        self.comes_again("old")

    def test_ends_with_its_parent(self):
        """Nothing sleeps on when the program has ended."""
        run = self.start("good", "good")
        run.until("checkpoints", lambda: run.checkpoint("old") and run.checkpoint("new"))
        children = run.status()["checkpoints"]["children"]
        pids = [child[version]["pid"] for child in children for version in ("old", "new")]
        self.assertEqual(5, run.end(), run.text())
        until("their end", lambda: not any(pathlib.Path(f"/proc/{pid}").exists() for pid in pids))


class Sharing(Worker):
    """What the worker counts is in memory that its parent has, too: they go back together."""
    flags = ("-DMAPS", "-DSHARED")


class Segment(Worker):
    """It is in a System V segment, which both let go of when they go back, and attach again."""
    flags = ("-DMAPS", "-DSEGMENT")

    def lives_alone(self, run, version):
        for _ in range(10):
            run.ask("again")
        super().lives_alone(run, version)


class InFile(Worker):
    """It is in a file, which both have mapped."""
    flags = ("-DMAPS", "-DIN_FILE")


def load_tests(loader, _tests, _pattern):
    """All of Worker with memory of one's own and with such as is shared by fork; what differs with a segment and a file."""
    suite = unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in (Worker, Sharing))
    for case in (Segment, InFile):
        suite.addTests(case(name) for name in ("test_follower_crashes", "test_leader_crashes", "test_leads_again", "test_ends_with_its_parent"))
    return suite


if __name__ == "__main__":
    unittest.main()
