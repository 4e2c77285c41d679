"""What mx costs while it runs: processor time of an idle server, memory beyond the second version's own."""

from mxtest import Exchange, ProgramTest, free_port, main, resp, scenario
from mxtest.debian import redis_servers
from mxtest.measure import cpu_seconds, pss_bytes
from mxtest.process import descendants
from mxtest.resp import Client

MIB = 1 << 20


def start(box):
    port, (old, new) = free_port(), redis_servers()
    return port, box.start([old, "--port", port, "--dir", box.folder, "--save", ""], new, ready=port)


class Idle(ProgramTest):

    @scenario("window", "full")
    def server_uses_no_processor(self, box):
        """All processes of an idle redis with 10 clients, for 10 s: below 0.5 % of a core beyond what it needs natively."""
        port, server = start(box)
        clients = [Client(port) for _ in range(10)]
        for client in clients:
            client.call("SET", "a", 1)
        with Client(port, timeout=30) as sleeper:
            sleeper.call("BLPOP", "nothing", 3)         # recovery is prepared once: a tenth of a second of processor
        pids = [server.pid, *descendants(server.pid)]
        before = cpu_seconds(pids)
        with Client(port, timeout=30) as sleeper:
            sleeper.call("BLPOP", "nothing", 10)        # the server itself tells when 10 s are over
        used = cpu_seconds(pids) - before
        for client in clients:
            client.close()
        if box.native:
            type(self).native_seconds = used
        else:
            share = (used - 2 * self.native_seconds) / 10
            self.assertLess(share, 0.005, f"{used:.3f} s in 10 s; natively {self.native_seconds:.3f} s")
        return {"status": server.stop().status}


class Memory(ProgramTest):

    @scenario("window", "full")
    def stays_small_and_does_not_grow(self, box):
        """Beyond two native servers at most 96 MiB, and after four times the requests no more than after one time."""
        port, server = start(box)
        value = b"x" * 64

        def load(rounds):
            def plan(number):
                for n in range(rounds):
                    yield resp.request("SET", f"k{number}:{n % 50}", value), resp.OK
                    yield resp.request("GET", f"k{number}:{n % 50}"), resp.bulk(value)
            Exchange(port, plan, resp.take).run().checked()
            return pss_bytes([server.pid, *descendants(server.pid)])
        if not box.native:
            load(3000)                                  # the log of events fills up once: 64 MiB of addresses, not more
        first, later = load(600), load(2400)
        if box.native:
            type(self).native_bytes = later
        else:
            more = later - 2 * self.native_bytes
            self.assertLess(more, 96 * MIB, f"{later / MIB:.1f} MiB, natively {self.native_bytes / MIB:.1f} MiB")
        self.assertLess(later - first, 8 * MIB, f"it grew from {first / MIB:.1f} to {later / MIB:.1f} MiB")
        return {"status": server.stop().status}


if __name__ == "__main__":
    main()
