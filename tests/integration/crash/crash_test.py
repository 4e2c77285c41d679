"""One version crashes, hangs, exits or is killed while clients are served: they must see nothing of it.

Each scenario runs natively with the good build alone, then under mx with a bad one as old (the leader) or as new (the
follower); the client's view must be the same. The first class proves that the bad builds are bad.
"""

import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))

import builds  # noqa: E402
from mxtest import Exchange, ProgramTest, free_port, http, main, resp, scenario  # noqa: E402
from mxtest.resp import Client  # noqa: E402

FAILURE = ("crash", "hang", "failover", "dropped", "recovery", "divergence")
CONNECTIONS = 50


class BadBuilds(ProgramTest):
    """Natively each bug does what its patch says."""

    def native_death(self, bug, *command, prepare=()):
        def run(_, box):
            port = free_port()
            server = box.start([builds.redis(bug), "--port", port, "--save", "", "--dir", box.folder,
                                "--crash-memcheck-enabled", "no"], ready=port)      # that may overwrite what the kernel needs
            with Client(port) as client:
                for words in prepare:
                    client.call(*words)
                with self.assertRaises(ConnectionError):
                    client.call(*command)
            return {"status": server.wait(20).status}
        run.allow = ()
        return self.run_in(run, "native")["status"]

    def test_hmget_on_a_string_is_a_fault(self):
        self.assertEqual(139, self.native_death("hmget", "HMGET", "s", "f", prepare=[("SET", "s", "x" * 100)]))

    def test_hmget_on_a_number_is_a_fault(self):
        self.assertEqual(139, self.native_death("hmget", "HMGET", "s", "f", prepare=[("SET", "s", 12345)]))

    def test_panic_aborts(self):
        self.assertEqual(134, self.native_death("faults", "HRANDFIELD", "h"))

    def test_stack_overflow(self):
        self.assertEqual(139, self.native_death("faults", "HKEYS", "h"))

    def test_fault_in_a_handler(self):
        self.assertEqual(139, self.native_death("faults", "HEXISTS", "h", "f"))

    def test_wrong_exit(self):
        self.assertEqual(3, self.native_death("faults", "HVALS", "h"))

    def test_etag_is_a_fault(self):
        def run(_, box):
            port = free_port()
            server = start_lighttpd(box, port, builds.lighttpd("etag"), None, None)
            with self.assertRaises(OSError):
                http.get(port, "/crash.html")
            return {"status": server.wait(20).status}
        run.allow = ()
        self.assertEqual(139, self.run_in(run, "native")["status"])


def redis_pair(bug, bad):
    """(old, new) with the bug in one of them."""
    pair = [builds.redis(bug), builds.redis()]
    return pair if bad == "old" else pair[::-1]


class RedisCrash(ProgramTest):

    def survive(self, box, bug, bad, command, expected, options=(), events=("crash",), seconds=60):
        """50 connections pipeline commands; one of them sends the deadly one in the middle of its stream."""
        port, (old, new) = free_port(), redis_pair(bug, bad)
        server = box.start([old, "--port", port, "--save", "", "--dir", box.folder], new, native=builds.redis(),
                           ready=port, options=options)
        with Client(port) as client:
            client.call("SET", "number", 12345)
            client.call("SET", "string", "x" * 100)
            client.call("HSET", "hash", "field", "value")

        def plan(number):
            for n, step in enumerate(resp.mixed_commands(number, 240)):
                yield step
                if number == CONNECTIONS // 2 and n == 120:
                    yield resp.request(*command), expected
        Exchange(port, plan, resp.take, connections=CONNECTIONS, silence=seconds).run().checked()
        with Client(port) as client:
            after = [client.call("DBSIZE"), client.call("INCR", "c7:n"), client.call("LLEN", "c49:l")]
        self.reported(box, server, bad, events)
        return {"after": after, "status": server.stop().status}

    def reported(self, box, server, bad, events):
        """The report names what happened, in the bad version, and a failover only when the leader was bad."""
        if box.native:
            return
        for event in events:
            line = server.report.wait(event, 20, version=bad)
            if line["event"] == "crash":
                self.assertIn("signal", line)
                self.assertIn("last_calls", line)
        if bad == "old":
            line = server.report.wait("failover", 20)
            self.assertEqual(("old", "new"), (line["from"], line["to"]))
        else:
            self.assertEqual([], server.report.events("failover"))

    def hmget_number(self, box, bad):
        return self.survive(box, "hmget", bad, ("HMGET", "number", "f"), resp.WRONG_TYPE)

    def hmget_string(self, box, bad):
        return self.survive(box, "hmget", bad, ("HMGET", "string", "f"), resp.WRONG_TYPE)

    def panic(self, box, bad):
        """It writes a report and tests its memory before it aborts. A follower that does, and has no checkpoint, is dropped
        for that already."""
        return self.survive(box, "faults", bad, ("HRANDFIELD", "none"), resp.bulk(None),
                            events=(("crash", "dropped") if bad == "new" else "crash",))

    def overflow(self, box, bad):
        return self.survive(box, "faults", bad, ("HKEYS", "hash"), resp.array(resp.bulk("field")))

    def handler(self, box, bad):
        return self.survive(box, "faults", bad, ("HEXISTS", "hash", "field"), resp.integer(1), events=())

    def wrong_exit(self, box, bad):
        return self.survive(box, "faults", bad, ("HVALS", "hash"), resp.array(resp.bulk("value")), events=())

    def hang(self, box, bad):
        return self.survive(box, "faults", bad, ("HSTRLEN", "hash", "field"), resp.integer(5), events=("hang",),
                            options=["--hang-timeout", "2"])

    @scenario("window", "full", allow=FAILURE)
    def hmget_on_a_number_old_bad(self, box):
        return self.hmget_number(box, "old")

    @scenario("window", "full", allow=FAILURE)
    def hmget_on_a_number_new_bad(self, box):
        return self.hmget_number(box, "new")

    @scenario("window", allow=FAILURE)
    def hmget_on_a_string_old_bad(self, box):
        return self.hmget_string(box, "old")

    @scenario("window", allow=FAILURE)
    def hmget_on_a_string_new_bad(self, box):
        return self.hmget_string(box, "new")

    @scenario("window", allow=FAILURE)
    def panic_old_bad(self, box):
        return self.panic(box, "old")

    @scenario("window", allow=FAILURE)
    def panic_new_bad(self, box):
        return self.panic(box, "new")

    @scenario("window", allow=FAILURE)
    def stack_overflow_old_bad(self, box):
        return self.overflow(box, "old")

    @scenario("window", allow=FAILURE)
    def stack_overflow_new_bad(self, box):
        return self.overflow(box, "new")

    @scenario("window", allow=FAILURE)
    def fault_in_a_handler_old_bad(self, box):
        return self.handler(box, "old")

    @scenario("window", allow=FAILURE)
    def fault_in_a_handler_new_bad(self, box):
        return self.handler(box, "new")

    @scenario("window", "full", allow=FAILURE)
    def wrong_exit_old_bad(self, box):
        return self.wrong_exit(box, "old")

    @scenario("window", "full", allow=FAILURE)
    def wrong_exit_new_bad(self, box):
        return self.wrong_exit(box, "new")

    @scenario("window", "full", allow=FAILURE)
    def hang_old_bad(self, box):
        return self.hang(box, "old")

    @scenario("window", "full", allow=FAILURE)
    def hang_new_bad(self, box):
        return self.hang(box, "new")

    def child(self, box, bad):
        """The child that saves the database crashes in one version."""
        port, (old, new) = free_port(), redis_pair("faults", bad)
        server = box.start([old, "--port", port, "--save", "", "--dir", box.folder], new, native=builds.redis(),
                           ready=port)
        load = Exchange(port, lambda n: resp.mixed_commands(n, 10 ** 9), resp.take, connections=20).start()
        with Client(port) as client:
            replies = [client.call("SET", "crash-the-child", 1), client.call("BGSAVE")]
            state = client.wait_info("persistence", lambda i: i["rdb_bgsave_in_progress"] == "0")
        load.wait_for_replies(2000)
        load.finish().checked()
        if not box.native:
            server.report.wait("crash", 20, version=bad)
        return {"replies": replies, "saved": state["rdb_last_bgsave_status"], "file": box.path("dump.rdb").exists(),
                "status": server.stop().status}

    @scenario("window", allow=FAILURE)
    def child_crashes_old_bad(self, box):
        return self.child(box, "old")

    @scenario("window", allow=FAILURE)
    def child_crashes_new_bad(self, box):
        return self.child(box, "new")

    @scenario("window", allow=FAILURE)
    def same_crash_in_both(self, box):
        """Both versions have the bug: it is the program's own behaviour, status and closed connection included."""
        port = free_port()
        server = box.start([builds.redis("hmget"), "--port", port, "--save", "", "--dir", box.folder,
                            "--crash-memcheck-enabled", "no"], ready=port)      # that may overwrite what the kernel needs
        with Client(port) as client:
            client.call("SET", "string", "x" * 100)
            with self.assertRaises(ConnectionError):
                client.call("HMGET", "string", "f")
        return {"status": server.wait(30).status, "failovers": [] if box.native else server.report.events("failover")}


class Killed(ProgramTest):
    """SIGKILL of one version's first process under load."""

    def kill(self, box, version, connections):
        port = free_port()
        server = box.start([builds.redis(), "--port", port, "--save", "", "--dir", box.folder], ready=port)
        load = Exchange(port, lambda n: resp.mixed_commands(n, 10 ** 9), resp.take, connections=connections, depth=8)
        load.start()
        load.wait_for_replies(10 * connections)
        if not box.native:
            os.kill(server.report.pid(version), signal.SIGKILL)
            server.report.wait("failover" if version == "old" else "recovery", 20)
        load.wait_for_replies(10 * connections)
        load.finish().checked()
        # In full lockstep each answer waits until the other version agrees, and a busy machine gives it its time late.
        self.assertLess(load.longest_gap, 5.0 if box.mode == "full" else 2.0, "a client waited too long")
        with Client(port) as client:
            after = client.call("INCR", "still here")
        return {"after": after, "status": server.stop().status}

    @scenario("window", "full", allow=FAILURE)
    def leader_with_1000_connections(self, box):
        return self.kill(box, "old", 1000)

    @scenario("window", "full", allow=FAILURE)
    def follower(self, box):
        return self.kill(box, "new", 50)

    @scenario("window", "full", allow=FAILURE)
    def idle_leader(self, box):
        """The leader sleeps in epoll_wait when it is killed; a client's idle connection goes on."""
        port = free_port()
        server = box.start([builds.redis(), "--port", port, "--save", "", "--dir", box.folder], ready=port)
        with Client(port) as client:
            replies = [client.call("SET", "a", 1)]
            if not box.native:
                os.kill(server.report.pid("old"), signal.SIGKILL)
                server.report.wait("failover", 20)
            replies += [client.call("INCR", "a"), client.call("GET", "a")]
        return {"replies": replies, "status": server.stop().status}

    @scenario("window", allow=FAILURE)
    def stopped_follower(self, box):
        """SIGSTOP: a follower that stops reading. The leader goes on; after the hang timeout the follower is dropped."""
        port = free_port()
        server = box.start([builds.redis(), "--port", port, "--save", "", "--dir", box.folder], ready=port,
                           options=["--hang-timeout", "2"])
        load = Exchange(port, lambda n: resp.mixed_commands(n, 10 ** 9), resp.take).start()
        load.wait_for_replies(1000)
        if not box.native:
            os.kill(server.report.pid("new"), signal.SIGSTOP)
            server.report.wait("dropped", 20, version="new")
        load.wait_for_replies(5000)
        load.finish().checked()
        return {"status": server.stop().status}


def start_lighttpd(box, port, old, new, native):
    box.write("www/good.html", b"g" * 10_000)
    box.write("www/crash.html", b"served")
    config = box.write("lighttpd.conf", f"""
        server.document-root = "{box.folder}/www"
        server.port = {port}
        server.bind = "127.0.0.1"
        server.max-keep-alive-idle = 120
        mimetype.assign = ( ".html" => "text/html" )
        $HTTP["url"] == "/crash.html" {{ static-file.etags = "disable" }}""")
    return box.start([old, "-D", "-f", config], new, native=native, ready=port)


class LighttpdCrash(ProgramTest):

    def etag(self, box, bad):
        port, pair = free_port(), [builds.lighttpd("etag"), builds.lighttpd()]
        old, new = pair if bad == "old" else pair[::-1]
        server = start_lighttpd(box, port, old, new, builds.lighttpd())

        def plan(number):
            for n in range(100):
                name, body = ("crash", b"served") if (number, n) == (9, 50) else ("good", b"g" * 10_000)
                yield http.request(f"/{name}.html"), http.Expected(200, body)
        Exchange(port, plan, http.take, connections=CONNECTIONS, depth=4).run().checked()
        after = http.get(port, "/good.html")
        RedisCrash.reported(self, box, server, bad, ("crash",))
        # It leaves when its connections are closed. At a SIGTERM its status tells whether it had seen that of all of them.
        return {"after": after, "status": server.stop(signal.SIGINT).status}

    @scenario("window", "full", allow=FAILURE)
    def etag_old_bad(self, box):
        return self.etag(box, "old")

    @scenario("window", "full", allow=FAILURE)
    def etag_new_bad(self, box):
        return self.etag(box, "new")


if __name__ == "__main__":
    main()
