"""The client of quickstart.sh: 50 connections with checked replies, the leader killed under them.

    load.py PORT REPORT
"""

import os
import signal
import sys

from mxtest import Exchange, Report, resp

CONNECTIONS, DEPTH = 50, 16


def main():
    port, report = int(sys.argv[1]), Report(sys.argv[2])
    load = Exchange(port, lambda n: resp.mixed_commands(n, 10 ** 9), resp.take, connections=CONNECTIONS, depth=DEPTH)
    load.start()
    load.wait_for_replies(20_000)
    before = load.longest_gap
    leader = report.pid("old")
    print(f"killed: process {leader}, the old version, which was the leader")
    os.kill(leader, signal.SIGKILL)
    failover = report.wait("failover", 30)
    load.wait_for_replies(20_000)
    load.finish()

    wrong = load.sent - load.right
    closed = sum("closed" in problem or "reset" in problem for problem in load.problems)
    print(f"requests sent:            {load.sent}")
    print(f"replies wrong or missing: {wrong}")
    print(f"connections closed:       {closed} of {CONNECTIONS}")
    print(f"failover:                 from {failover['from']} to {failover['to']}, {failover['descriptors']} descriptors, "
          f"{failover['microseconds'] / 1000:.1f} ms")
    print(f"longest wait of clients:  {load.longest_gap * 1000:.1f} ms (before the kill: {before * 1000:.1f} ms)")
    for problem in load.problems[:5]:
        print("problem:", problem)
    sys.exit(1 if wrong or load.problems else 0)


if __name__ == "__main__":
    main()
