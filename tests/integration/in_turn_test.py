"""The leader is killed, then the follower, and so on: each comes back every time, whatever it has of its own."""

import os
import pathlib
import signal
import sqlite3
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "carry"))

from carry_test import Run  # noqa: E402
from control_test import until  # noqa: E402
from kill_test import SOURCES, program  # noqa: E402
from worker_test import WorkerRun  # noqa: E402


class Kills(unittest.TestCase):
    KILLS = 8

    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="mx-in-turn-")
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    @staticmethod
    def next_to_kill(run, number):
        leader = run.status()["leader"]
        return leader if number % 2 == 0 else {"old": "new", "new": "old"}[leader]

    def kill(self, run, version, processes=1):
        """When it could come back; `processes` of it go back."""
        ready = lambda: Run.checkpoint(run, version)
        run.until("a checkpoint", ready)
        while not ready():
            run.ask("not yet")
        before = len(run.report.events("recovery"))
        os.kill(run.pids(version)[0], signal.SIGKILL)
        run.until("the recovery", lambda: len(run.report.events("recovery")) >= before + processes)
        return run.report.events("recovery")[-1]

    def killed_in_turn(self, file, *arguments, options=(), processes=1):
        run = WorkerRun(self.folder, file, file, *options, *(["--", *arguments] if arguments else []))
        for number in range(self.KILLS):
            version = self.next_to_kill(run, number)
            last = self.kill(run, version, processes)
            self.assertEqual((version, "resynchronised"), (last["version"], last["result"]), run.text())
        self.assertEqual([], run.report.events("dropped") + run.report.events("divergence") + run.report.events("note"), run.text())
        for _ in range(50):
            run.ask("alive")
        return run

    def killed_in_turn_in_both_modes(self, file, processes=1):
        for options in ((), ("--lockstep", "full")):
            with self.subTest(options):
                self.assertEqual(5, self.killed_in_turn(file, options=options, processes=processes).end())
                self.temporary.cleanup()
                self.folder.mkdir()


class InTurn(Kills):
    def test_children(self):
        """A parent of short-lived children hears of each once."""
        self.killed_in_turn_in_both_modes(program("reaps"))

    def test_children_of_a_busy_parent(self):
        """A copy that catches up comes to the birth of children that are there, or have ended: it makes none anew."""
        run = self.killed_in_turn(program("forks"))
        self.assertEqual(5, run.end())

    def test_processes_that_share_semaphores(self):
        """What came in the order of a lock comes in that order again when they catch up together."""
        self.killed_in_turn_in_both_modes(program("shares"), processes=3)

    def test_waits(self):
        """The program makes no call until the next line; with shared memory, each line makes the last checkpoint void."""
        for arguments in ((), ("shared",)):
            with self.subTest(arguments):
                run = WorkerRun(self.folder, program("forks"), program("forks"), *(["--", *arguments] if arguments else []))
                for number in range(self.KILLS):
                    run.ask("a child")
                    version = self.next_to_kill(run, number)
                    until("a checkpoint", lambda: Run.checkpoint(run, version), run.status)
                    os.kill(run.pids(version)[0], signal.SIGKILL)
                    until("the recovery", lambda: len(run.report.events("recovery")) > number, run.text)
                    last = run.report.events("recovery")[-1]
                    self.assertEqual((version, "resynchronised"), (last["version"], last["result"]), run.text())
                run.ask("alive")
                self.assertEqual(5, run.end())
                self.assertEqual([], run.report.events("dropped") + run.report.events("divergence"), run.text())
                self.temporary.cleanup()
                self.folder.mkdir()

    def test_database(self):
        """Files that are mapped shared and writable: nothing is lost, and the database is whole."""
        run = self.killed_in_turn("/usr/bin/python3", SOURCES / "wal.py")
        self.assertEqual(5, run.end())
        database = sqlite3.connect(self.folder / "lines.db")
        self.assertEqual(run.count, database.execute("select count(*) from t").fetchone()[0])
        self.assertEqual("ok", database.execute("pragma integrity_check").fetchone()[0])


class InTurnPool(Kills):
    def test_pool_of_threads(self):
        """Each thread of the copy leaves the condition for which its leader's waits, and waits for its event."""
        self.killed_in_turn_in_both_modes(program("pool"))


if __name__ == "__main__":
    unittest.main()
