"""Recovery at the full rate of a server: lighttpd under wrk publishes so much that the log holds a few seconds of it."""

import json
import os
import pathlib
import random
import signal
import subprocess
import tempfile
import unittest

from control_test import mx, until
from mxtest import Program, Report, free_port, main, settings, wait_until_connects

LIGHTTPD = "/usr/sbin/lighttpd"
CRASHES = 3
# Events before the first crash: what they take in the log is more than it holds. Then sooner: the version has just come back.
FIRST, LATER = (850_000, 1_100_000), (20_000, 300_000)


class FullRate(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mx-rate-"))
        self.environment = {**os.environ, "MX_STATE_DIR": str(self.folder / "state")}
        self.report = Report(self.folder / "report.jsonl")
        self.program = self.wrk = None

    def tearDown(self):
        for program in (self.wrk, self.program):
            if program and program.alive():
                program.stop(signal.SIGTERM)
            if program:
                program.close()
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def start(self, **environment):
        port = free_port()
        (self.folder / "www").mkdir()
        (self.folder / "www/page.html").write_bytes(b"x" * 10_240)
        config = self.folder / "conf"
        config.write_text(f"""
            server.document-root = "{self.folder}/www"
            server.port = {port}
            server.bind = "127.0.0.1"
            server.max-keep-alive-requests = 100000000
            mimetype.assign = ( ".html" => "text/html" )""")
        command = [str(settings.mx()), "run", "--id", "rate", "--old", LIGHTTPD, "--new", LIGHTTPD, "--report", self.report.path,
                   "--", "-D", "-f", str(config)]
        self.program = Program(command, self.folder, "lighttpd", env={**self.environment, **environment}, report=self.report)
        wait_until_connects(port, alive=self.program.alive)
        self.wrk = Program(["/usr/bin/wrk", "-t", "1", "-c", "50", "-d", "1h", "--timeout", "60s", f"http://127.0.0.1:{port}/page.html"],
                           self.folder, "wrk", env=self.environment)

    def status(self):
        return json.loads(mx("status", "--json", "rate", env=self.environment).stdout)

    def events(self):
        return max(version["events"] for version in self.status()["versions"].values())

    def until(self, what, reached):
        until(what, reached, self.report.text)

    def until_events(self, count):
        end = self.events() + count
        self.until(f"{count} more events", lambda: self.events() >= end)

    def comes_back(self, version, count):
        """The version's recovery number `count`."""
        self.until(f"recovery of {version}", lambda: len(self.report.events("recovery")) >= count)
        last = self.report.events("recovery")[-1]
        self.assertEqual((version, "resynchronised"), (last["version"], last["result"]), self.report.text())

    def nobody_noticed(self):
        said = self.wrk.stop(signal.SIGINT).out.decode()
        self.assertIn("requests in", said)
        self.assertNotIn("Socket errors", said)
        self.assertNotIn("Non-2xx", said)
        self.assertEqual([], self.report.events("dropped") + self.report.events("divergence"), self.report.text())
        self.program.stop(signal.SIGTERM)

    def is_killed(self, version_of):
        """At moments that nothing in the server decides."""
        self.start()
        for count in range(1, CRASHES + 1):
            self.until_events(random.randint(*(FIRST if count == 1 else LATER)))
            status = self.status()
            version = version_of(status["leader"])
            os.kill(status["versions"][version]["pids"][0], signal.SIGKILL)
            self.comes_back(version, count)
        self.until_events(10_000)
        self.nobody_noticed()

    def test_leader_is_killed(self):
        self.is_killed(lambda leader: leader)

    def test_follower_is_killed(self):
        self.is_killed(lambda leader: "new" if leader == "old" else "old")

    def test_leader_faults(self):
        self.start(MX_FAULT=f"ill:{random.randint(*FIRST)}")
        self.comes_back("old", 1)
        self.until_events(10_000)
        self.nobody_noticed()


if __name__ == "__main__":
    main()
