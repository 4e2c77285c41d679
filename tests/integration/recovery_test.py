"""A version that is killed, or faults, comes back: redis under load, with --recovery on (the default)."""

import os
import pathlib
import signal
import unittest

from control_test import TwoRedis

class Recovery(TwoRedis):
    def asleep(self):
        checkpoints = self.status()["checkpoints"]
        return all(checkpoints[version]["asleep"] for version in ("old", "new"))

    def thread_names(self, version):
        return sorted(p.read_text() for p in pathlib.Path(f"/proc/{self.pid(version)}/task").glob("*/comm"))

    def kill_and_come_back(self, version):
        self.until("checkpoints of both versions", self.asleep)
        before, names = len(self.events("recovery")), self.thread_names(version)
        os.kill(self.pid(version), signal.SIGKILL)
        self.until(f"recovery of {version}", lambda: len(self.events("recovery")) > before)
        last = self.events("recovery")[-1]
        self.assertEqual((version, "resynchronised"), (last["version"], last["result"]), self.report.lines())
        self.assertEqual(names, self.thread_names(version))

    def test_follower_comes_back(self):
        self.start()
        self.load(lambda: self.kill_and_come_back("new"))
        self.assertEqual([], self.events("dropped") + self.events("divergence") + self.events("failover"))

    def test_leader_comes_back_and_leads_again(self):
        """The leader is killed, comes back as the follower, and takes over when the other one is killed."""
        self.start()
        self.load(lambda: self.kill_and_come_back("old"), lambda: self.assertEqual("new", self.status()["leader"]),
                  lambda: self.kill_and_come_back("new"))
        self.assertEqual("old", self.status()["leader"])
        self.assertEqual([], self.events("dropped") + self.events("divergence"))

    def test_leader_that_faults(self):
        """The same code on both sides: what made it fault was not the code."""
        self.start(MX_FAULT="ill:30000")
        self.until("checkpoints of both versions", self.asleep)
        self.load(lambda: self.until("the fault", lambda: self.events("recovery")))
        recovery, = self.events("recovery")
        self.assertEqual(("old", "resynchronised"), (recovery["version"], recovery["result"]), self.report.lines())
        self.assertEqual([], self.events("dropped") + self.events("divergence"))

    def test_recovered_version_lives_alone(self):
        self.start()
        self.load(lambda: self.kill_and_come_back("new"), lambda: self.mx("drop", self.id, "old"))
        self.assertEqual("new", self.status()["leader"])
        self.assertEqual(["old"], [line["version"] for line in self.events("dropped")])

    def test_off(self):
        self.start("--recovery", "off")
        self.load(lambda: os.kill(self.pid("new"), signal.SIGKILL))
        self.until("it is dropped", lambda: self.events("dropped"))
        self.assertEqual([], self.events("recovery"))
        self.assertEqual(["new"], [line["version"] for line in self.events("dropped")])


if __name__ == "__main__":
    unittest.main()
