"""redis-server, the two releases that Debian serves: as one program they must answer as one release does alone."""

import threading

from mxtest import Exchange, ProgramTest, free_port, main, resp, scenario
from mxtest.debian import redis_servers, redis_tool
from mxtest.resp import Client


def start(box, port, *arguments, **more):
    old, new = redis_servers()
    return box.start([old, "--port", port, "--dir", box.folder, *arguments], new, ready=port, **more)


class Redis(ProgramTest):

    @scenario("window", "full")
    def mixed_commands(self, box):
        """50 connections, 16 deep, each reply checked; default configuration."""
        port = free_port()
        server = start(box, port)
        Exchange(port, lambda n: resp.mixed_commands(n, 400), resp.take, connections=50).run().checked()
        with Client(port) as client:
            size, sample = client.call("DBSIZE"), client.call("LRANGE", "c7:l", 0, -1)
            digest = client.call("DEBUG", "DIGEST")     # refused in the default configuration
        return {"size": size, "sample": sample, "debug": digest, "status": server.stop().status}

    @scenario()
    def thousand_connections(self, box):
        port = free_port()
        server = start(box, port)
        Exchange(port, lambda n: resp.mixed_commands(n, 24), resp.take, connections=1000, depth=4).run().checked()
        return {"status": server.stop().status}

    @scenario("window", "full")
    def one_command_at_a_time(self, box):
        """Request, reply, request: the leader blocks in epoll_wait between them."""
        port = free_port()
        server = start(box, port)
        with Client(port) as client:
            replies = [client.call("INCR", "n") for _ in range(500)]
            replies += [client.call("SET", "big", "x" * 1_000_000), len(client.call("GET", "big"))]
            replies += [client.call("TYPE", "big"), client.call("NOSUCH", "a"), client.call("EXPIRE", "n", 100),
                        client.call("TTL", "n") in (99, 100)]
        return {"replies": replies, "status": server.stop().status}

    @scenario("window", "full")
    def transactions_and_scripts(self, box):
        port = free_port()
        server = start(box, port)
        with Client(port) as one, Client(port) as two:
            replies = [one.call("MULTI"), one.call("SET", "a", 1), one.call("INCR", "a"), one.call("EXEC")]
            replies += [one.call("WATCH", "a"), two.call("SET", "a", 9), one.call("MULTI"), one.call("GET", "a"),
                        one.call("EXEC")]
            script = "local t = {} for i = 1, tonumber(ARGV[1]) do t[i] = redis.call('INCRBY', KEYS[1], i) end return t"
            replies += [one.call("EVAL", script, 1, "k", 50)]
            sha = one.call("SCRIPT", "LOAD", script)
            replies += [sha, two.call("EVALSHA", sha, 1, "k", 3), one.call("EVAL", "return redis.error_reply('no')", 0)]
            replies += [one.call("EVAL", "return cjson.encode({1,2,{a=cmsgpack.pack(3)}})", 0)]
        return {"replies": replies, "status": server.stop().status}

    @scenario()
    def publish_and_subscribe(self, box):
        port = free_port()
        server = start(box, port)
        subscribers = [Client(port) for _ in range(20)]
        try:
            replies = [s.call("SUBSCRIBE", "news") for s in subscribers]
            with Client(port) as publisher:
                replies += [publisher.call("PUBLISH", "news", f"message {n}") for n in range(50)]
            received = [[s.read() for _ in range(50)] for s in subscribers]
        finally:
            for subscriber in subscribers:
                subscriber.close()
        return {"replies": replies, "received": received, "status": server.stop().status}

    @scenario("window", "full")
    def save_by_fork(self, box):
        """BGSAVE while clients write; the file is loaded by a second start."""
        port = free_port()
        server = start(box, port)
        load = Exchange(port, lambda n: resp.mixed_commands(n, 240), resp.take, connections=20)
        with Client(port) as client:
            writing = threading.Thread(target=load.run)
            writing.start()
            started = client.call("BGSAVE")
            writing.join()
            load.checked()
            state = client.wait_info("persistence", lambda i: i["rdb_bgsave_in_progress"] == "0")
            again = client.call("BGSAVE")
            state = client.wait_info("persistence", lambda i: i["rdb_bgsave_in_progress"] == "0")
            state = {k: state[k] for k in ("rdb_last_bgsave_status", "rdb_changes_since_last_save")}
        first = server.stop()
        check = box.run([redis_tool("redis-check-rdb"), "dump.rdb"], outside=True)
        server = start(box, port)
        with Client(port) as client:
            client.wait_info("persistence", lambda i: i["loading"] == "0")
            pairs = client.call("HGETALL", "c3:h")      # in an order that differs with every start
            loaded = [client.call("DBSIZE"), client.call("LRANGE", "c3:l", 0, -1), sorted(zip(pairs[::2], pairs[1::2]))]
        return {"started": [started, again], "state": state, "loaded": loaded, "check": check.status,
                "status": [first.status, server.stop().status]}

    @scenario(allow=("divergence",))
    def append_only_file(self, box):
        """AOF everysec (a background thread syncs), rewritten by a child, loaded by a second start.

        The child writes how much memory is in use, and a checksum of that. Just before the fork another thread is given the
        old file to close, and frees what that took without a lock (bio.c: zfree(job) comes before pthread_mutex_lock)."""
        port = free_port()
        arguments = ["--appendonly", "yes", "--appendfsync", "everysec", "--save", ""]
        server = start(box, port, *arguments)
        Exchange(port, lambda n: resp.mixed_commands(n, 160), resp.take, connections=20).run().checked()
        with Client(port) as client:
            rewrite = client.call("BGREWRITEAOF")
            state = client.wait_info("persistence", lambda i: i["aof_rewrite_in_progress"] == "0")
            after = [client.call("SET", "after", "the rewrite"), client.call("INCR", "count")]
        status = server.stop().status
        if not box.native:
            parted = server.report.events("divergence")
            self.assertIn([(d["call"], d["kind"]) for d in parted], ([], [("write", "bytes")] * 2), server.report.text())
            self.assertTrue(not parted or "used-mem" in parted[0]["leader"], server.report.text())
        server = start(box, port, *arguments)
        with Client(port) as client:
            client.wait_info("persistence", lambda i: i["loading"] == "0")
            loaded = [client.call("DBSIZE"), client.call("GET", "after"), client.call("LRANGE", "c3:l", 0, -1)]
        files = sorted(p.name for p in box.path("appendonlydir").iterdir())
        return {"rewrite": rewrite, "state": state["aof_last_bgrewrite_status"], "after": after, "loaded": loaded,
                "files": files, "status": [status, server.stop().status]}

    @scenario()
    def replication(self, box):
        """A replica (the subject too) takes a full copy from the primary and follows it."""
        ports = [free_port(), free_port()]
        box.path("replica").mkdir()
        primary = start(box, ports[0], tag="primary")
        Exchange(ports[0], lambda n: resp.mixed_commands(n, 80), resp.take, connections=20).run().checked()
        replica = start(box, ports[1], "--replicaof", f"127.0.0.1 {ports[0]}", "--dir", box.path("replica"),
                        tag="replica")
        with Client(ports[0]) as writer, Client(ports[1]) as reader:
            reader.wait_info("replication", lambda i: i["master_link_status"] == "up", seconds=60)
            copied = [reader.call("DBSIZE"), reader.call("LRANGE", "c3:l", 0, -1)]
            writes = [writer.call("SET", f"later{n}", n) for n in range(100)]
            acknowledged = writer.call("WAIT", 1, 20000)
            followed = [reader.call("GET", f"later{n}") for n in range(100)]
            refused = reader.call("SET", "x", 1)
        return {"copied": copied, "writes": writes, "acknowledged": acknowledged, "followed": followed,
                "refused": refused, "status": [replica.stop().status, primary.stop().status]}

    @scenario()
    def expiry_and_blocking(self, box):
        """Timers: keys that expire, clients that block for a time or until something comes."""
        port = free_port()
        server = start(box, port)
        with Client(port) as one, Client(port) as two:
            replies = [one.call("SET", "short", 1, "PX", 200), one.call("BLPOP", "queue", 0.4), one.call("GET", "short")]
            one.send("BLPOP", "queue", 10)
            two.wait_info("clients", lambda i: i["blocked_clients"] == "1")
            replies += [two.call("RPUSH", "queue", "work"), one.read()]
        return {"replies": replies, "status": server.stop().status}

    @scenario("window", "full")
    def command_line_client(self, box):
        """redis-cli and redis-benchmark of the other release as clients."""
        port = free_port()
        server = start(box, port)
        cli = [redis_tool("redis-cli"), "-p", port]
        answers = [box.run([*cli, *words], outside=True).checked().out
                   for words in (["SET", "a", "b"], ["GET", "a"], ["CONFIG", "GET", "save"], ["CLIENT", "SETNAME", "x"])]
        bench = box.run([redis_tool("redis-benchmark"), "-p", port, "-n", 20000, "-c", 50, "-P", 16, "-q", "-t",
                         "set,get,lpush,mset"], outside=True).checked()
        return {"answers": answers, "bench": bench.err, "status": server.stop().status}

    @scenario()
    def shutdown_saves(self, box):
        """SHUTDOWN from a client: the file is there, the status 0."""
        port = free_port()
        server = start(box, port)
        with Client(port) as client:
            replies = [client.call("SET", "a", "b")]
            client.send("SHUTDOWN", "SAVE")
            ended = server.wait(30).status
        return {"replies": replies, "status": ended, "files": sorted(p.name for p in box.folder.iterdir())}

    @scenario()
    def unix_socket(self, box):
        port = free_port()
        server = start(box, port, "--unixsocket", box.path("redis.sock"), "--unixsocketperm", "700")
        cli = [redis_tool("redis-cli"), "-s", box.path("redis.sock")]
        answers = [box.run([*cli, "SET", "a", "b"], outside=True).out, box.run([*cli, "GET", "a"], outside=True).out]
        return {"answers": answers, "status": server.stop().status, "left": sorted(p.name for p in box.folder.iterdir())}


if __name__ == "__main__":
    main()
