"""How a follower is scheduled (shim/agent/pace.h): idle while the program is busy, and never so where somebody waits for it."""

import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

from control_test import TwoRedis
from kill_test import program
from mxtest import Report, settings


class Pace(TwoRedis):
    def policies(self, version):
        tasks = pathlib.Path(f"/proc/{self.pid(version)}/task")
        return {os.sched_getscheduler(int(thread.name)) for thread in tasks.iterdir()}

    def idles(self):
        return os.SCHED_IDLE in self.policies("new")

    def takes_over(self, way):
        self.start("--recovery", "off")
        self.load(lambda: self.until("an idle follower", self.idles), way,
                  lambda: self.until("another leader", lambda: self.status()["leader"] == "new"),
                  lambda: self.until("the usual policy", lambda: not self.idles()))

    def test_usual_when_the_leader_was_killed(self):
        self.takes_over(lambda: os.kill(self.pid("old"), signal.SIGKILL))

    def test_usual_when_promoted(self):
        self.takes_over(lambda: self.mx("promote", self.id, "new"))

    def test_it_does_not_starve(self):
        """Processors that are never idle: the follower is let run when it lags, and the survivor serves."""
        self.start("--recovery", "off")
        hogs = []

        def occupy():
            hogs.extend(subprocess.Popen(["/bin/sh", "-c", "while :; do :; done"]) for _ in range(2 * os.cpu_count()))

        def follower_goes_on():
            before = self.status()["versions"]["new"]["events"]
            self.until("the follower", lambda: self.status()["versions"]["new"]["events"] > before + 5000)

        def kill():
            os.kill(self.pid("old"), signal.SIGKILL)
            self.until("another leader", lambda: self.status()["leader"] == "new")
            self.until("the usual policy", lambda: not self.idles())
        try:
            self.load(lambda: self.until("an idle follower", self.idles), occupy, follower_goes_on, kill)
        finally:
            for hog in hogs:
                hog.kill()
                hog.wait()
        self.assertEqual([], self.events("divergence") + self.events("hang"))

    def test_without_the_capability(self):
        """Who could not end it does not begin it."""
        self.wrapper = ("/usr/bin/setpriv", "--bounding-set", "-sys_nice")
        self.start("--recovery", "off")
        end = time.monotonic() + 2

        def never_idle():
            while time.monotonic() < end:
                self.assertNotIn(os.SCHED_IDLE, self.policies("new"))
                time.sleep(0.02)
        self.load(never_idle)


class Crawling(unittest.TestCase):
    def test_a_follower_that_sleeps(self):
        """It holds its leader up and does nothing meanwhile: the leader goes on alone, and nothing of its output is missing."""
        with tempfile.TemporaryDirectory(prefix="mx-crawl-") as folder:
            report = Report(pathlib.Path(folder) / "report")
            done = subprocess.run([settings.mx(), "run", "--old", program("crawls"), "--new", program("crawls", "-DCRAWLS"),
                                   "--hang-timeout", "2", "--report", report.path], stdout=subprocess.PIPE, timeout=90, check=True)
            self.assertEqual(b"".join(b"%d\n" % i for i in range(1_000_000)), done.stdout)
            self.assertEqual(["new"], [line["version"] for line in report.events("hang")])
            self.assertEqual(["new"], [line["version"] for line in report.events("dropped")])


if __name__ == "__main__":
    unittest.main()
