"""Measurements of recovery: how long a version is away, and what being prepared for it costs. mx only: natively there is
nothing to measure."""

import json
import statistics
import subprocess
import time

from mxtest import connect, settings
from mxtest.process import descendants


def _until(condition, seconds, what):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"waited for {seconds} s: {what}")
        time.sleep(0.005)


def _checkpoint(server, version):
    mx = str(settings.mx())
    runs = json.loads(subprocess.run([mx, "ps", "--json"], capture_output=True, check=True).stdout)
    # (A run is listed when it is 20 ms old.)
    status = next((r["status"] for r in runs if (r.get("status") or {}).get("monitor") == server.pid), None)
    return status["checkpoints"][version] if status else {"asleep": False, "made": 0}


def _has_checkpoint(server, version, beyond=0):
    """One that can be woken, made after the first `beyond`."""
    checkpoint = _checkpoint(server, version)
    return checkpoint["asleep"] and checkpoint["made"] > beyond


def _analyses(server):
    def name(pid):
        try:
            with open(f"/proc/{pid}/comm", encoding="utf-8") as file:
                return file.read()
        except OSError:
            return ""
    return any(name(p).startswith("mx-analyze") for p in descendants(server.pid))


def _ask(client, command):
    client.sendall(command.encode() + b"\r\n")
    return client.recv(10_000)


def recovery(context):
    """redis with 100 MB of data: the follower crashes again and again (HMGET), until it is in lockstep again."""
    if context.box.native:
        return {}
    port, server = context.redis("--enable-debug-command", "yes", bug="hmget", bad="new")
    with connect(port) as client:
        client.settimeout(60)
        _until(lambda: _has_checkpoint(server, "new"), 30, "a checkpoint")
        empty = _checkpoint(server, "new")["made"]
        if not _ask(client, "DEBUG POPULATE 500000 key 100").startswith(b"+OK") or _ask(client, "SET s " + "x" * 100) != b"+OK\r\n":
            raise AssertionError("redis did not take the data")
        # (The replay from an older one would make the data again.)
        _until(lambda: _has_checkpoint(server, "new", empty), 30, "a checkpoint with the data")
        _until(lambda: not _analyses(server), 60, "the analysis")
        times = []
        for turn in range(context.size(20, 6)):
            _until(lambda: _has_checkpoint(server, "new"), 30, "the next checkpoint")
            context.mark()
            if not _ask(client, "HMGET s f").startswith(b"-WRONGTYPE"):
                raise AssertionError("a wrong answer")
            _until(lambda: len(server.report.events("recovery")) > turn, 60, "the recovery")
            event = server.report.events("recovery")[turn]
            if event["result"] != "resynchronised":
                raise AssertionError(str(event))
            times.append(event["microseconds"] / 1000)
    server.stop()
    return {"first [ms]": times[0], "later, median [ms]": statistics.median(times[1:]),
            "later, longest [ms]": max(times[1:])}


def prepared(context, redis, lighttpd):
    """Throughput with recovery against without it, redis and lighttpd, in turn."""
    if context.box.native:
        return {}
    seen = {}
    for _ in range(context.size(3, 1)):
        for mode in ("off", "on"):
            context.options = ("--recovery", mode)
            measured = {**redis(context), **lighttpd(context)}
            for name, value in measured.items():
                if name.endswith("/s]"):
                    seen.setdefault(name.split(" [")[0], {}).setdefault(mode, []).append(value)
    context.options = ()
    return {f"{name}, on / off": statistics.median(v["on"]) / statistics.median(v["off"]) for name, v in seen.items()}
