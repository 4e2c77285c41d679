"""Asks a redis one INCR after the other and prints its longest waits, when standard input ends.

    probe.py PORT     prints "ready" after the first replies; at the end a line for each of the twenty longest waits:
                      when it began and how long it was, both in microseconds, by CLOCK_MONOTONIC
"""

import heapq
import select
import socket
import sys
import time

REQUEST = b"*2\r\n$4\r\nINCR\r\n$5\r\nprobe\r\n"


def main():
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    longest, count, stop = [], 0, select.poll()
    stop.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    while not stop.poll(0):
        count += 1
        start = time.monotonic_ns()
        connection.sendall(REQUEST)
        reply = connection.recv(100)
        waited = time.monotonic_ns() - start
        if reply != b":%d\r\n" % count:
            sys.exit(f"reply {count} is {reply!r}")
        if count > 200:         # the first ones warm up
            heapq.heappush(longest, (waited, start))
            if len(longest) > 20:
                heapq.heappop(longest)
        elif count == 200:
            print("ready", flush=True)
    for waited, start in sorted(longest, reverse=True):
        print(start // 1000, waited // 1000)


if __name__ == "__main__":
    main()
