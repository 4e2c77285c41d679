"""Ports and connections on 127.0.0.1."""

import fcntl
import os
import random
import socket
import time

_held = []  # lock files of the ports this process uses: they last as long as the process
_LOCKS = "/tmp/mx-test-ports"


def free_port():
    """A TCP port nobody listens on. It lies below the kernel's ephemeral range, so no client can be given it, and is
    locked against other test processes until this one ends."""
    os.makedirs(_LOCKS, exist_ok=True)
    for _ in range(1000):
        port = random.randint(15000, 31999)
        lock = open(f"{_LOCKS}/{port}", "w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("127.0.0.1", port))
        except OSError:
            lock.close()
            continue
        _held.append(lock)
        return port
    raise RuntimeError("no free TCP port between 15000 and 31999")


def connect(port, timeout=30):
    """A connected TCP socket with Nagle switched off and a timeout on each operation (seconds)."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def wait_until_connects(port, seconds=30, alive=lambda: True):
    """Returns when something accepts on `port`. A listening server cannot tell us, so this asks every 10 ms.
    Raises TimeoutError after `seconds`, or at once when `alive()` turns false."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError as problem:
            if not alive():
                raise TimeoutError(f"the program ended before it listened on port {port}") from problem
            if time.monotonic() > end:
                raise TimeoutError(f"nothing listens on port {port} after {seconds} s") from problem
        time.sleep(0.01)
