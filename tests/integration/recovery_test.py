"""A version that is killed, or faults, comes back: redis under load, with --recovery on (the default)."""

import json
import os
import pathlib
import signal
import unittest

from control_test import TwoRedis, mx, until
from kill_test import lines, program, take
from mxtest import Exchange, ProgramTest, free_port, main, scenario
from mxtest.net import connect


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
        until(f"the threads' names, {names}", lambda: self.thread_names(version) == names,    # each gives itself its own
              lambda: self.thread_names(version))

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


class BusyThreads(ProgramTest):
    """All threads of the leader make calls while one of them faults, so several hear of it at once: one of them stands in
    for the process, hands over its descriptors, and has nothing to say when the recovered version takes over."""
    ROUNDS, THREADS, CLIENTS, REPLIES = 3, 6, 8, 400

    def fault_then_drop_once(self, box):
        port = free_port()
        environment = {**os.environ, "MX_STATE_DIR": str(box.path("state"))}
        server = box.start([program("echo_server", "-DBAD"), port, self.THREADS], program("echo_server"), native=program("echo_server"),
                           ready=port, options=["--id", "busy"], env=environment)
        load = Exchange(port, lambda n: lines(n, 10 ** 9), take, connections=self.CLIENTS, depth=8).start()
        load.wait_for_replies(self.REPLIES)
        if not box.native:
            until("a checkpoint", lambda: json.loads(mx("status", "--json", "busy", env=environment).stdout)["checkpoints"]["old"]["asleep"])
        with connect(port) as client:
            client.sendall(b"fault\n")
            self.assertEqual(b"1 fault\n", client.recv(100))
        load.wait_for_replies(self.REPLIES)
        if not box.native:
            self.assertEqual("resynchronised", server.report.wait("recovery", 40)["result"], server.report.text())
            load.wait_for_replies(self.REPLIES)
            mx("drop", "busy", "new", env=environment)
            promoted, = server.report.events("promoted")
            self.assertGreaterEqual(promoted["descriptors"], self.CLIENTS, server.report.text())
            load.wait_for_replies(self.REPLIES)
        load.finish().checked()
        server.stop()

    @scenario("window", "full", allow=("crash", "failover", "recovery", "promoted", "dropped"))
    def fault_then_drop(self, box):
        for _ in range(1 if box.native else self.ROUNDS):
            self.fault_then_drop_once(box)
        return {"status": "served"}


class Strays(ProgramTest):
    """A follower that goes another way than the leader once comes back from its checkpoint; one that does so again is dropped."""
    ROUNDS = 100        # of some 20 ms: longer than a round that counts as slow

    def run_rounds(self, box, new, *arguments):
        environment = {**os.environ, "MX_STATE_DIR": str(box.path("state"))}
        server = box.start([program("strays"), *arguments], program(*new), native=program("strays"), options=["--id", "strays"],
                           env=environment)
        return server, lambda: len(server.out_path.read_bytes().split()), environment

    def status(self, environment):
        return json.loads(mx("status", "--json", "strays", env=environment).stdout)

    @scenario("window", allow=("divergence", "recovery"))
    def once(self, box):
        server, rounds, environment = self.run_rounds(box, ("strays",))
        until("the first round", lambda: rounds() > 0)
        if not box.native:
            until("a checkpoint", lambda: self.status(environment)["checkpoints"]["new"]["asleep"])
            self.hold_up(server, rounds, environment)
        at = rounds()
        until("more rounds", lambda: rounds() > at + 5)
        if not box.native:
            recovery, = server.report.events("recovery")
            self.assertEqual("resynchronised", recovery["result"], server.report.text())
            self.assertEqual("paired", self.status(environment)["state"])
        server.stop()
        return {"status": "worked"}

    def hold_up(self, server, rounds, environment):
        """Until it was in the middle of a round, where it is nearly always."""
        follower, = [line["pid"] for line in server.report.events("start") if line["version"] == "new"]
        strayed = lambda: server.report.events("divergence")
        while not strayed():
            at = rounds()
            os.kill(follower, signal.SIGSTOP)
            until("rounds of the leader", lambda: rounds() > at + self.ROUNDS)
            os.kill(follower, signal.SIGCONT)
            at = rounds()
            until("the follower to have strayed in the round it was in", lambda: strayed() or rounds() > at + 20)
        server.report.wait("recovery", 60)

    @scenario("window", allow=("divergence", "recovery", "dropped"))
    def again(self, box):
        server, rounds, environment = self.run_rounds(box, ("strays", "-DMORE"), 150)
        until("the first rounds", lambda: rounds() > 140)
        if not box.native:
            self.assertEqual("new", server.report.wait("dropped", 60)["version"])
            recovery, = server.report.events("recovery")
            self.assertEqual("not possible", recovery["result"], server.report.text())
            self.assertEqual(2, len(server.report.events("divergence")), server.report.text())
        until("more rounds", lambda: rounds() > 160)
        server.stop()
        return {"status": "worked"}


if __name__ == "__main__":
    main()
