"""Runs redis' own test suite natively and with its server started through mx; what passes natively must pass under mx.

    MX_BIN=build/shim/cli/mx redis-suite/run.py [--units unit/type/string …] [--all] [--lockstep full] [--keep]

Each server that the suite starts is `mx run --old REAL --new REAL -- …`, by a wrapper in place of src/redis-server.
"""

import argparse
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1] / "lib"), str(HERE.parent / "crash")]

import builds  # noqa: E402
from mxtest import free_port, settings  # noqa: E402
from mxtest.process import adopt_orphans, end_leftovers  # noqa: E402

UNITS = ["unit/type/string", "unit/type/incr", "unit/type/hash", "unit/type/list-2", "unit/keyspace", "unit/expire",
         "unit/multi", "unit/pubsub", "unit/quit", "unit/protocol", "unit/auth", "unit/limits", "unit/querybuf",
         "unit/networking", "unit/bitfield"]
LEADER_OF = """proc leader_of {pid} {
    set leader "(none yet)"
    catch {regexp {"pid":([0-9]+)} [exec cat %s.$pid] line leader}
    return $leader
}
"""
PASSED = re.compile(r"\[ok\]: (.*?)(?: \(\d+ ms\))?$")
FAILED = re.compile(r"\[(?:err|exception|TIMEOUT)\]:? (.*)$")


def prepare(folder, wrapped, lockstep):
    """A copy of the built tree; with `wrapped` the server in it is started through mx."""
    tree = folder / "redis"
    shutil.copytree(builds.redis_tree(), tree, symlinks=True, ignore=shutil.ignore_patterns("*.o", "*.d", "deps"))
    if wrapped:
        server, real = tree / "src/redis-server", tree / "src/real-redis-server"
        server.rename(real)
        command = shlex.join([str(settings.mx()), "run", "--old", str(real), "--new", str(real), "--lockstep", lockstep])
        server.write_text(f'#!/bin/sh\nexec {command} --report "{folder}/reports.$$" -- "$@"\n', encoding="utf-8")
        server.chmod(0o755)
        # The suite knows the pid that it has started (mx's, which passes signals on); the server prints its leader's.
        support = tree / "tests/support/server.tcl"
        text = support.read_text(encoding="utf-8")
        if '" PID: $pid"' not in text:
            sys.exit(f"{support}: how it learns that a server has started has changed")
        text = text.replace('" PID: $pid"', '" PID: [leader_of $pid]"')
        support.write_text(LEADER_OF % f"{folder}/reports" + text, encoding="utf-8")
    return tree


def run(units, wrapped, arguments):
    """One run of the suite; returns (names of passed tests, lines of failures, all output)."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"mx-redis-suite-{'mx' if wrapped else 'native'}-"))
    tree = prepare(folder, wrapped, arguments.lockstep)
    command = ["./runtest", "--clients", "2", "--baseport", str(free_port()), "--portcount", "2000", "--durable",
               "--no-latency", "--timeout", "120", "--tags", "-slow", *(w for unit in units for w in ("--single", unit))]
    print(f"{'mx' if wrapped else 'native'}: cd {tree} && {shlex.join(command)}", flush=True)
    output = folder / "output"
    with open(output, "wb") as out:
        process = subprocess.Popen(command, cwd=tree, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
                                   env={**os.environ, "LC_ALL": "C.UTF-8"}, start_new_session=True)
        try:
            process.wait(arguments.seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    left = end_leftovers(grace=2)
    text = re.sub(r"\x1b\[[0-9;]*m", "", output.read_text(errors="replace"))
    passed = {m[1] for m in map(PASSED.search, text.splitlines()) if m}
    failed = [line for line in text.splitlines() if FAILED.search(line)]
    print(f"  {len(passed)} tests passed, {len(failed)} failed" + (f", left behind: {left}" if left else ""), flush=True)
    if arguments.keep:
        print(f"  kept: {folder}")
    else:
        shutil.rmtree(folder)
    return passed, failed, text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", nargs="+", default=UNITS, help="units of the suite (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="every unit (more than half an hour)")
    parser.add_argument("--lockstep", choices=["window", "full"], default="window")
    parser.add_argument("--seconds", type=int, default=900, help="time limit of one run (default: %(default)s)")
    parser.add_argument("--keep", action="store_true", help="keep the folders of the runs")
    arguments = parser.parse_args()
    adopt_orphans()
    units = [] if arguments.all else arguments.units
    native, failures, text = run(units, False, arguments)
    if len(native) < 50:
        sys.exit(f"natively only {len(native)} tests passed:\n{text[-5000:]}")
    for line in failures:
        print("  fails natively:", line)
    if not settings.mx():
        return
    under_mx, failures, text = run(units, True, arguments)
    missing = sorted(native - under_mx)
    for line in failures:
        print("  fails under mx:", line)
    if missing:
        sys.exit(f"{len(missing)} tests pass natively but not under mx:\n  " + "\n  ".join(missing) + f"\n{text[-3000:]}")


if __name__ == "__main__":
    main()
