"""The measurements. Each is a function(context) that makes one run in one mode and returns {metric: value}."""

import csv
import io
import os
import re
import signal
import subprocess
import sys
import time

from mxtest import connect, free_port
from mxtest.debian import redis_servers, redis_tool, made_once, run
from mxtest.measure import cpu_seconds, pss_bytes
from mxtest.process import descendants
from mxtest import settings

from containers import container_redis, container_start
from recovery_cases import prepared, recovery

BENCH = os.path.dirname(os.path.abspath(__file__))
MIB = 1 << 20


class Context:
    """One run: its box (see mxtest.Box), whether to be quick."""

    def __init__(self, box, quick):
        self.box, self.quick = box, quick
        self.options = ()       # of `mx run`

    def mark(self):
        """A version crashes now (bench/trace.py looks from here on)."""

    def size(self, full, quick):
        return quick if self.quick else full

    def processes(self, program, version):
        """The processes of a version (natively the program is the leader and there is no follower)."""
        if self.box.native:
            first = program.pid if version == "old" else None
        else:
            first = program.report.pid(version)
        return [first, *descendants(first)] if first else []

    def redis(self, *arguments, bug=None, bad="old"):
        port = free_port()
        if bug:
            old, new = _builds().redis(bug), _builds().redis()
        else:
            old, new = redis_servers()
        good = new if bug else None
        if bad == "new":
            old, new = new, old
        server = self.box.start([old, "--port", port, "--save", "", "--dir", self.box.folder, *arguments], new, ready=port,
                                native=good, options=self.options)
        return port, server


def _builds():
    sys.path.insert(0, str(settings.REPOSITORY / "tests/integration/crash"))
    import builds
    return builds


class _Cpu:
    """Processor time that leader and follower use during a measurement."""

    def __init__(self, context, program):
        self.context = context
        self.pids = {v: context.processes(program, v) for v in ("old", "new")}
        self.before = {v: cpu_seconds(p) for v, p in self.pids.items()}

    def per_request(self, requests):
        """{metric: microseconds per request}."""
        used = {v: (cpu_seconds(p) - self.before[v]) * 1e6 / requests for v, p in self.pids.items()}
        result = {"CPU per request, leader [us]": used["old"]}
        if not self.context.box.native:
            result["CPU per request, follower [us]"] = used["new"]
        return result


def _redis_benchmark(context, pipeline):
    port, server = context.redis()
    requests = context.size(300_000, 60_000) * (3 if pipeline > 1 else 1)
    results = {}
    for command in ("SET", "GET"):
        cpu = _Cpu(context, server)
        text = context.box.run([redis_tool("redis-benchmark"), "-p", port, "-c", 50, "-P", pipeline, "-n", requests, "-d",
                                100, "-r", 100_000, "-t", command.lower(), "--csv"], outside=True).checked().out.decode()
        row = next(csv.DictReader(io.StringIO(text)))
        results |= {f"{command} [requests/s]": float(row["rps"]), f"{command} p50 [ms]": float(row["p50_latency_ms"]),
                    f"{command} p99 [ms]": float(row["p99_latency_ms"])}
        results |= {f"{command} {name}": value for name, value in cpu.per_request(requests).items()}
    server.stop()
    return results


def redis(context):
    """redis GET and SET, 50 connections, one request at a time each."""
    return _redis_benchmark(context, 1)


def redis_pipelined(context):
    """The same with 16 requests in a pipeline."""
    return _redis_benchmark(context, 16)


def _wrk(context, server, port):
    cpu = _Cpu(context, server)
    text = context.box.run(["/usr/bin/wrk", "-t", 1, "-c", 50, "-d", f"{context.size(6, 2)}s", "--latency",
                            f"http://127.0.0.1:{port}/page.html"], outside=True).checked().out.decode()
    if "Socket errors" in text or "Non-2xx" in text:
        raise AssertionError(f"requests failed:\n{text}")
    requests = int(re.search(r"(\d+) requests in", text)[1])
    return {"10 KiB file [requests/s]": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "p50 [ms]": _latency(text, 50), "p99 [ms]": _latency(text, 99), **cpu.per_request(requests)}


def _latency(text, percentile):
    """Milliseconds, from a line of wrk's latency distribution (other lines hold percentages too)."""
    number, unit = re.search(rf"^\s+{percentile}%\s+([\d.]+)(us|ms|s)$", text, re.M).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]


def lighttpd(context):
    """lighttpd, 10 KiB file, 50 keep-alive connections."""
    box, port = context.box, free_port()
    box.write("www/page.html", b"x" * 10_240)
    config = box.write("conf", f"""
        server.document-root = "{box.folder}/www"
        server.port = {port}
        server.bind = "127.0.0.1"
        server.max-keep-alive-requests = 100000000
        mimetype.assign = ( ".html" => "text/html" )""")
    server = box.start(["/usr/sbin/lighttpd", "-D", "-f", config], ready=port, options=context.options)
    result = _wrk(context, server, port)
    server.stop()
    return result


def nginx(context):
    """nginx with two workers, 10 KiB file, 50 keep-alive connections."""
    box, port = context.box, free_port()
    box.write("www/page.html", b"x" * 10_240)
    box.folder.chmod(0o755)
    config = box.write("conf", f"""
        daemon off; worker_processes 2; pid {box.folder}/pid; error_log {box.folder}/error.log;
        events {{ worker_connections 512; }}
        http {{ access_log off; keepalive_requests 100000000; server {{ listen 127.0.0.1:{port}; root {box.folder}/www; }} }}
        """)
    server = box.start(["/usr/sbin/nginx", "-p", box.folder, "-c", config], ready=port)
    result = _wrk(context, server, port)
    server.stop(signal.SIGQUIT)
    return result


def _failover(context, port, server, fail):
    """How long one client waits when `fail()` happens, with 1,000 connections and a load of 50 beside it."""
    idle = [connect(port) for _ in range(949)]
    load = context.box.start([redis_tool("redis-benchmark"), "-p", port, "-c", 50, "-n", 10 ** 9, "-t", "set,get", "-q"],
                             outside=True, tag="load")
    with subprocess.Popen([sys.executable, f"{BENCH}/probe.py", str(port)], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, text=True) as probe:
        if probe.stdout.readline() != "ready\n":
            raise AssertionError("the probe did not get its first replies")
        context.mark()
        failed = time.monotonic_ns() // 1000
        fail()
        if not context.box.native:
            server.report.wait("failover", 30)
        over = time.monotonic_ns() // 1000
        time.sleep(context.size(1.0, 0.5))      # the load goes on, and the other version is brought back
        probe.stdin.close()
        waits = [tuple(map(int, line.split())) for line in probe.stdout]
        if probe.wait(30) or not waits:
            raise AssertionError("the probe got a wrong reply or none")
    load.stop()
    for connection in idle:
        connection.close()
    # The reply that the failure kept waiting: its request was sent before the failover was over.
    struck = [began + waited - max(began, failed) for began, waited in waits if began + waited > failed and began <= over]
    result = {"fault to the next reply [ms]": max(struck, default=0) / 1000,
              "longest wait until the other version is back [ms]": max(waited for _, waited in waits) / 1000}
    if not context.box.native:
        result["failover by the report [ms]"] = server.report.events("failover")[0]["microseconds"] / 1000
    server.stop()
    return result


def failover_kill(context):
    """redis, 1,000 connections under load: SIGKILL of the leader (natively nothing happens: the noise)."""
    port, server = context.redis()

    def kill():
        if not context.box.native:
            os.kill(server.report.pid("old"), signal.SIGKILL)
    return _failover(context, port, server, kill)


def failover_crash(context):
    """The same with a crash of the leader (HMGET on a wrong type; natively the good build runs)."""
    port, server = context.redis(bug="hmget")

    def crash():
        with connect(port) as client:
            client.sendall(b"SET s " + b"x" * 100 + b"\r\nHMGET s f\r\n")
            if not client.recv(1000):
                raise AssertionError("the connection of the crash was closed")
    return _failover(context, port, server, crash)


def start_up(context):
    """/bin/true, from the start of the command to its end."""
    times = []
    for _ in range(context.size(40, 15)):
        start = time.perf_counter()
        context.box.run(["/bin/true"]).checked()
        times.append(time.perf_counter() - start)
    return {"/bin/true [ms]": sorted(times)[len(times) // 2] * 1000}


def calls(context):
    """One system call of each kind, from a small C program."""
    folder = settings.cache() / "bench"
    made_once(folder, lambda to: run(["gcc", "-O2", "-o", to / "calls", f"{BENCH}/calls.c"]))
    text = context.box.run([folder / "calls", context.size(200_000, 50_000)], seconds=300).checked().out.decode()
    return {f"{name} [ns]": float(ns) for name, ns in (line.split() for line in text.splitlines())}


def compute(context):
    """Programs that compute: gzip of a file, a python loop (wall-clock time)."""
    megabytes, turns = context.size((96, 20_000_000), (16, 4_000_000))
    path = context.box.path("data")
    with open(path, "wb") as out:
        run_of_text = b"".join(b"line %d of some text that packs well %d\n" % (n, n * n % 9973) for n in range(20_000))
        for _ in range(megabytes * MIB // len(run_of_text)):
            out.write(run_of_text)
    results = {}
    for name, command in (("gzip [s]", ["/bin/gzip", "-c", path]),
                          ("python loop [s]", ["/usr/bin/python3", "-c",
                                               f"s = 0\nfor i in range({turns}): s += i % 7\nprint(s)"])):
        start = time.perf_counter()
        context.box.run(command, seconds=300).checked()
        results[name] = time.perf_counter() - start
    return results


def memory(context):
    """redis with 100,000 keys after load: proportional set size of all processes. Compare with two native ones."""
    port, server = context.redis()
    context.box.run([redis_tool("redis-benchmark"), "-p", port, "-c", 50, "-P", 16, "-n", 300_000, "-d", 100, "-r", 100_000,
                     "-t", "set", "-q"], outside=True).checked()
    used = pss_bytes([server.pid, *descendants(server.pid)]) / MIB
    server.stop()
    return {"all processes [MiB]": used}


def recovery_cost(context):
    """Throughput with recovery against without it: redis, lighttpd."""
    return prepared(context, redis, lighttpd)


CASES = [redis, redis_pipelined, lighttpd, nginx, failover_kill, failover_crash, start_up, calls, compute, memory,
         recovery, recovery_cost, container_start, container_redis]

# What issues 2, 3 and 5 ask for: (case, metric, kind, limit). Kinds: "ratio>=" and "ratio<=" of mx to native; "more<=" mx minus
# native; "twice+" mx minus two times native; "mx<=", "mx>=" mx alone.
TARGETS = {
    ("redis", "GET [requests/s]"): ("ratio>=", 0.85), ("redis", "SET [requests/s]"): ("ratio>=", 0.85),
    ("redis", "GET p99 [ms]"): ("ratio<=", 1.5), ("redis", "SET p99 [ms]"): ("ratio<=", 1.5),
    ("lighttpd", "10 KiB file [requests/s]"): ("ratio>=", 0.85),
    ("failover_kill", "fault to the next reply [ms]"): ("mx<=", 20),
    ("failover_crash", "fault to the next reply [ms]"): ("mx<=", 20),
    ("start_up", "/bin/true [ms]"): ("more<=", 10),
    ("compute", "gzip [s]"): ("ratio<=", 1.05), ("compute", "python loop [s]"): ("ratio<=", 1.05),
    ("container_start", "handed on [ms]"): ("more<=", 5), ("container_start", "two versions [ms]"): ("more<=", 60),
    ("container_redis", "GET [requests/s]"): ("ratio>=", 0.85), ("container_redis", "SET [requests/s]"): ("ratio>=", 0.85),
    ("container_redis", "GET p99 [ms]"): ("ratio<=", 1.5), ("container_redis", "SET p99 [ms]"): ("ratio<=", 1.5),
    ("memory", "all processes [MiB]"): ("twice+", 96),
    ("recovery", "first [ms]"): ("mx<=", 150), ("recovery", "later, median [ms]"): ("mx<=", 10),
    **{("recovery_cost", f"{what}, on / off"): ("mx>=", 0.98) for what in ("SET", "GET", "10 KiB file")},
}
