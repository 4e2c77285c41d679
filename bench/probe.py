"""Asks a redis one INCR after the other and prints the longest wait in microseconds, when standard input ends.

    probe.py PORT     prints "ready" after the first replies
"""

import select
import socket
import sys
import time

REQUEST = b"*2\r\n$4\r\nINCR\r\n$5\r\nprobe\r\n"


def main():
    connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    longest, count, stop = 0, 0, select.poll()
    stop.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    while not stop.poll(0):
        count += 1
        start = time.perf_counter_ns()
        connection.sendall(REQUEST)
        reply = connection.recv(100)
        waited = time.perf_counter_ns() - start
        if reply != b":%d\r\n" % count:
            sys.exit(f"reply {count} is {reply!r}")
        if count > 200:         # the first ones warm up
            longest = max(longest, waited)
        elif count == 200:
            print("ready", flush=True)
    print(longest // 1000, count)


if __name__ == "__main__":
    main()
