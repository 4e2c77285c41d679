"""The operator's verbs on a redis under load: status, promote, drop; crash lines and folders; hostile control packets;
mx compare."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

from mxtest import Exchange, Program, Report, connect, free_port, resp, settings, wait_until_connects

REDIS = "/usr/bin/redis-server"
PATIENCE = 60       # seconds


def mx(*arguments, check=True, env=None):
    done = subprocess.run([str(settings.mx()), *map(str, arguments)], capture_output=True, text=True, timeout=60, env=env, check=False)
    if check and done.returncode:
        raise AssertionError(f"mx {arguments} failed ({done.returncode}): {done.stderr}")
    return done


def plan(number):
    """An endless series of SET, GET, INCR on keys of one connection, with the replies that must come."""
    count = 0
    while True:
        value = f"{number}:{count}".encode()
        yield resp.request("SET", f"k{number}", value), b"+OK\r\n"
        yield resp.request("GET", f"k{number}"), b"$%d\r\n%s\r\n" % (len(value), value)
        count += 1
        yield resp.request("INCR", f"n{number}"), b":%d\r\n" % count


def wait_for_file(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise TimeoutError(f"{path} does not appear")
        time.sleep(0.05)


def until(what, reached, seen=lambda: ""):
    end = time.monotonic() + PATIENCE
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: {seen()}")
        time.sleep(0.02)


class TwoRedis(unittest.TestCase):
    """Debian's redis twice, as one."""
    id = "test1"
    wrapper = ()                # what mx is started through

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="mx-redis-"))
        self.state = self.folder / "state"
        self.environment = {**os.environ, "MX_STATE_DIR": str(self.state)}
        self.report = Report(self.folder / "report.jsonl")

    def start(self, *options, **environment):
        self.port = free_port()
        command = [*self.wrapper, str(settings.mx()), "run", "--id", self.id, *options, "--old", REDIS, "--new", REDIS, "--report", self.report.path,
                   "--", "--port", str(self.port), "--save", "", "--dir", str(self.folder), "--bind", "127.0.0.1"]
        self.program = Program(command, self.folder, "redis", env={**self.environment, **environment}, report=self.report)
        wait_until_connects(self.port, alive=self.program.alive)
        with connect(self.port) as client:      # it listens before it makes its threads
            client.sendall(b"PING\r\n")
            self.assertEqual(b"+PONG\r\n", client.recv(100))

    def tearDown(self):
        if self.program.alive():
            self.program.stop(signal.SIGTERM)
        self.program.close()
        subprocess.run(["rm", "-rf", str(self.folder)], check=False)

    def mx(self, *arguments, check=True):
        return mx(*arguments, check=check, env=self.environment)

    def status(self):
        return json.loads(self.mx("status", "--json", self.id).stdout)

    def pid(self, version):
        return self.status()["versions"][version]["pids"][0]

    def until(self, what, reached):
        until(what, reached, self.report.lines)

    def events(self, name):
        return [line for line in self.report.lines() if line["event"] == name]

    def load(self, *actions):
        load = Exchange(self.port, plan, resp.take, connections=20, depth=8).start()
        for action in actions:
            load.wait_for_replies(2000)
            action()
        load.wait_for_replies(2000)
        load.finish()
        self.assertEqual([], load.problems)
        self.assertEqual(load.sent, load.right)


class Control(TwoRedis):
    def setUp(self):
        super().setUp()
        self.start()

    def test_status_and_ps(self):
        status = self.status()
        self.assertEqual("old", status["leader"])
        self.assertEqual("follower", status["versions"]["new"]["state"])
        self.until("it counts on", lambda: self.status()["versions"]["old"]["events"] > 100)
        self.assertIn(self.id, self.mx("ps").stdout)
        self.assertIn('"event":"start"', self.mx("events", self.id).stdout)

    def test_promote_under_load(self):
        self.load(lambda: self.mx("promote", self.id, "new"))
        self.assertEqual("new", self.status()["leader"])
        promoted = self.events("promoted")
        self.assertEqual(["new"], [line["version"] for line in promoted])
        self.assertEqual([], self.events("failover") + self.events("crash") + self.events("divergence"))
        again = self.mx("promote", self.id, "new", check=False)
        self.assertEqual(1, again.returncode)
        self.assertIn("leads already", again.stderr)

    def test_drop_leader_under_load(self):
        self.load(lambda: self.mx("drop", self.id, "old"))
        self.assertEqual("new", self.status()["leader"])
        self.assertEqual(["old"], [line["version"] for line in self.events("dropped")])
        refused = self.mx("drop", self.id, "new", check=False)
        self.assertEqual(1, refused.returncode)
        self.assertIn("only version left", refused.stderr)

    def test_drop_follower_under_load(self):
        self.load(lambda: self.mx("drop", self.id, "new"))
        self.assertEqual("old", self.status()["leader"])
        self.assertEqual(["new"], [line["version"] for line in self.events("dropped")])

    def test_hostile_packets(self):
        path = self.state / self.id / "out" / "control.sock"
        for packet in (b"", b"{", b"\0" * 4096, b"[" * 1000, b'{"verb":"drop","version":"both"}', b'{"verb":"status"}' * 100):
            with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as s:
                s.settimeout(10)
                s.connect(str(path))
                s.send(packet)
                answer = s.recv(1 << 17)
                if answer:
                    self.assertFalse(json.loads(answer)["ok"])
        idle = [socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(40)]
        for s in idle:
            s.connect(str(path))
        self.assertEqual("old", self.status()["leader"])
        for s in idle:
            s.close()
        self.assertEqual(0, path.stat().st_mode & 0o077)

    def test_crash_line_and_folder(self):
        """The leader is killed: its last calls are known nevertheless."""
        pid = self.pid("old")
        self.load(lambda: os.kill(pid, signal.SIGKILL))
        self.report.wait("crash", 20)  # the load may be through before the line is written
        crash, = self.events("crash")
        self.assertEqual((9, pid), (crash["signal"], crash["pid"]))
        self.assertGreater(len(crash["last_calls"]), 32)
        self.assertTrue(any(call.startswith(("write(", "read(", "epoll_wait(")) for call in crash["last_calls"]))
        self.assertTrue(pathlib.Path(crash["directory"]).is_dir())

    def test_state_is_cleaned(self):
        """A monitor that was killed leaves its folder; the next one removes it."""
        pids = [pid for v in ("old", "new") for pid in self.status()["versions"][v]["pids"]]
        self.program.kill()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.assertTrue((self.state / self.id).is_dir())
        with subprocess.Popen([str(settings.mx()), "run", "--old", "/bin/cat", "--new", "/bin/cat"], stdin=subprocess.PIPE,
                              env=self.environment) as other:
            self.until("the old folder is gone", lambda: not (self.state / self.id).exists())
            other.communicate(timeout=PATIENCE)
        self.assertEqual(0, other.returncode)
        left = [p.name for p in self.state.iterdir()]
        self.assertEqual([], left)


class Fault(unittest.TestCase):
    def test_fault_has_symbol_and_stack(self):
        """An invalid instruction in the leader: the line names the place, the folder holds registers and stacks."""
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "MX_STATE_DIR": folder + "/state"}
            source = pathlib.Path(folder) / "p.c"
            source.write_text("#include <unistd.h>\n#include <stdlib.h>\n"
                              "__attribute__((noinline)) void dies(volatile int *p) { *p = 1; }\n"
                              "int main(void) { for (int i = 0; i < 100; i++) if (write(1, \"x\", 1) != 1) return 1;\n"
                              "  if (BAD) dies(0);\n  char c; if (read(0, &c, 1) < 0) return 1;\n  return write(1, \"y\\n\", 2) != 2; }\n", encoding="ascii")
            for name, bad in (("old", 1), ("new", 0)):
                subprocess.run(["gcc", "-O1", "-g", f"-DBAD={bad}", "-o", f"{folder}/{name}", source], check=True)
            for leader in ("old", "new"):
                report = pathlib.Path(folder) / f"report-{leader}"
                command = [str(settings.mx()), "run", "--leader", leader, "--crash-dir", f"{folder}/crash-{leader}",
                           "--report", str(report), "--old", f"{folder}/old", "--new", f"{folder}/new"]
                with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as program:
                    crash = Report(report).wait("crash", alive=lambda p=program: p.poll() is None)
                    wait_for_file(pathlib.Path(crash["directory"]) / "crash.txt")
                    self.assertEqual("x" * 100 + "y\n", program.communicate("z", timeout=60)[0])
                self.assertEqual(0, program.returncode)
                self.assertEqual((11, "old"), (crash["signal"], crash["version"]))
                self.assertRegex(crash["symbol"], r"^dies\+0x")
                self.assertEqual(64, len(crash["last_calls"]))
                self.assertTrue(crash["last_calls"][-1].startswith("write(1, "), crash["last_calls"][-1])
                details = json.loads((pathlib.Path(crash["directory"]) / "crash.json").read_text())
                self.assertEqual(details["registers"]["rip"], crash["address"])
                symbols = [f.get("symbol", "").split("+")[0] for f in details["crashed"]["stack"]]
                self.assertEqual(["dies", "main"], symbols[:2])
                self.assertIn("dies", (pathlib.Path(crash["directory"]) / "crash.txt").read_text())


class Compare(unittest.TestCase):
    def test_same_and_different(self):
        with tempfile.TemporaryDirectory() as folder:
            def script(name, body):
                path = pathlib.Path(folder) / name
                path.write_text("#!/bin/sh\n" + body, encoding="ascii")
                path.chmod(0o755)
                return path
            a, b = script("a", f"echo one; echo two > {folder}/f\n"), script("b", f"echo one; echo two > {folder}/f\n")
            self.assertEqual(0, mx("compare", "--old", a, "--new", b).returncode)
            c = script("c", f"echo one; echo three > {folder}/f; exit 3\n")
            done = mx("compare", "--old", a, "--new", c, check=False)
            self.assertEqual(1, done.returncode)
            self.assertIn("output        same", done.stdout)
            self.assertIn("exit status   differs", done.stdout)
            missing = mx("compare", "--old", a, "--new", f"{folder}/none", check=False)
            self.assertEqual(127, missing.returncode)


class AsksAtOnce(unittest.TestCase):
    """The program is there as soon as it does anything: its control socket was made after it, sometimes too late."""

    def test_status_from_inside(self):
        with tempfile.TemporaryDirectory(prefix="mx-early-") as folder:
            environment = {**os.environ, "MX_STATE_DIR": folder}
            for _ in range(20):
                done = mx("run", "--id", "early", "--old", settings.mx(), "--new", settings.mx(), "--", "status", "early", check=False,
                          env=environment)
                self.assertEqual((0, ""), (done.returncode, done.stderr))
                self.assertIn("leader     old", done.stdout)


class LeftBehind(unittest.TestCase):
    """A version that waits for ever when the program has ended, as Go's threads may: it is ended then, not at the hang timeout."""

    def test_the_run_ends_with_the_program(self):
        with tempfile.TemporaryDirectory(prefix="mx-left-") as folder:
            for name, wait in (("old", ""), ("new", "syscall(SYS_futex, &word, 0, 0, 0, 0, 0);")):
                pathlib.Path(f"{folder}/{name}.c").write_text(
                    "#include <sys/syscall.h>\n#include <unistd.h>\nstatic int word;\n"
                    f"int main(void) {{ if (write(1, \"out\\n\", 4) != 4) return 1; {wait} (void)word; return 0; }}\n", encoding="utf-8")
                subprocess.run(["gcc", "-o", f"{folder}/{name}", f"{folder}/{name}.c"], check=True)
            done = mx("run", "--old", f"{folder}/old", "--new", f"{folder}/new", "--hang-timeout", "1000", "--report",
                      f"{folder}/report", check=False)        # within the minute that mx() grants
            self.assertEqual((0, "out\n"), (done.returncode, done.stdout))
            dropped = [line["version"] for line in map(json.loads, open(f"{folder}/report", encoding="utf-8")) if line["event"] == "dropped"]
            self.assertEqual(["new"], dropped)


if __name__ == "__main__":
    if not os.path.exists(REDIS):
        sys.exit("redis-server is not installed")
    unittest.main(verbosity=2)
