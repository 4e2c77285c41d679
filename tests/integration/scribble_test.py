"""A version writes over mx's arena before it fails (docs/failover.md, "Damage"): the monitor lives, ends in time, touches no
process of others and leaves nothing behind; what a follower does there does not reach the clients.

    MX_BIN=... python3 scribble_test.py Scribbles.test_leader_lanes_window
"""
import hashlib
import os
import pathlib
import subprocess
import time
import unittest

from mxtest import free_port, settings
from mxtest.box import Box
from mxtest.debian import made_once, run
from mxtest.net import connect
from mxtest.process import adopt_orphans, end_leftovers

SOURCE = pathlib.Path(__file__).parent / "programs" / "scribbler.c"
RUNS = (("random", "fault"), ("zeros", "fault"), ("ones", "hang"), ("random", "nothing"))


def built(scribbles):
    name = "scribbler" if scribbles else "good"
    of = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]
    folder = settings.cache() / f"{name}-{of}"
    made_once(folder, lambda to: run(["gcc", "-O1", *(["-DSCRIBBLES"] if scribbles else []), "-o", to / name, SOURCE]))
    return folder / name


def tell(talk, text):
    talk.write(text.encode().ljust(32, b"\0"))


def ask(talk, text):
    tell(talk, text)
    return talk.readline().decode().strip()


class Scribbles(unittest.TestCase):
    HANG = 2                # seconds, --hang-timeout
    LONGEST = 10            # that anything may take

    def one(self, leader, part, pattern, end, lockstep="window"):
        """Returns how many of the ten answers after the damage came, and the report."""
        port = free_port()
        folder = settings.temporary() / "mx-tests" / f"scribble-{os.getpid()}"
        folder.mkdir(parents=True, exist_ok=True)
        report = folder / "report"
        report.unlink(missing_ok=True)
        bad = "old" if leader else "new"
        old, new = (built(True), built(False)) if leader else (built(False), built(True))
        mx = subprocess.Popen([settings.mx(), "run", "--old", old, "--new", new, "--lockstep", lockstep, "--hang-timeout", str(self.HANG),
                               "--report", report, "--", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        answers, began = 0, time.monotonic()
        try:
            client = None
            for _ in range(200):
                try:
                    client = connect(port)
                    break
                except OSError:
                    time.sleep(0.02)
            with client, client.makefile("rwb", buffering=0) as talk:
                client.settimeout(self.LONGEST)
                assert ask(talk, "echo before") == "before"
                try:
                    ask(talk, f"scribble {part} {pattern} {end}")
                    for n in range(10):
                        answers += ask(talk, f"echo {n}") == str(n)
                    tell(talk, "end")
                except (OSError, ValueError):
                    pass
        finally:
            try:
                _, errors = mx.communicate(timeout=2)
            except subprocess.TimeoutExpired:   # it goes on, as it may
                mx.terminate()
                try:
                    _, errors = mx.communicate(timeout=self.LONGEST)
                except subprocess.TimeoutExpired:
                    mx.kill()
                    end_leftovers()     # they hold the pipe open
                    _, errors = mx.communicate()
                    self.fail(f"{bad} {part} {pattern} {end}: the monitor does not end")
        lines = report.read_text() if report.exists() else ""
        took = time.monotonic() - began
        self.assertGreaterEqual(mx.returncode, 0, (part, pattern, end, errors, lines))    # not by a signal of its own
        left = end_leftovers()
        self.assertFalse(left, (part, pattern, end, left, lines))
        self.assertLess(took, 3 * self.LONGEST)
        return answers, lines

    def case(self, leader, part):
        for pattern, end in RUNS:
            answers, lines = self.one(leader, part, pattern, end)
            if not leader:  # the one read whose bytes lie in the lane at that moment (docs/failover.md) may be struck
                self.assertGreaterEqual(answers, 9 if part in ("lanes", "all") else 10, (part, pattern, end, lines))


for role in ("leader", "follower"):
    for place in ("lanes", "mailbox", "control", "all"):
        setattr(Scribbles, f"test_{role}_{place}", lambda self, role=role, place=place: self.case(role == "leader", place))

if __name__ == "__main__":
    adopt_orphans()
    unittest.main(verbosity=2)
