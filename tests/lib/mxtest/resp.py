"""The redis protocol (RESP2): requests, replies, a simple blocking client."""

import time

from .exchange import WrongReply
from .net import connect


def request(*words):
    """A command as bytes. Words are str, bytes or numbers."""
    encoded = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in encoded)


def simple(text):
    return b"+%s\r\n" % text.encode()


def error(text):
    return b"-%s\r\n" % text.encode()


def integer(number):
    return b":%d\r\n" % number


def bulk(value):
    if value is None:
        return b"$-1\r\n"
    data = value if isinstance(value, bytes) else str(value).encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items):
    return b"*%d\r\n" % len(items) + b"".join(items)


OK = simple("OK")
WRONG_TYPE = error("WRONGTYPE Operation against a key holding the wrong kind of value")


def take(buffer, expected):
    """For Exchange: the reply must be `expected`, byte by byte."""
    if buffer.startswith(expected):
        return len(expected)
    if len(buffer) < len(expected) and expected.startswith(bytes(buffer)):
        return 0
    raise WrongReply(f"expected {expected[:200]!r}, got {bytes(buffer[:200])!r}")


class Client:
    """A blocking client. call() returns the decoded reply: str for a simple string, int, bytes or None for a bulk,
    list, or an Error."""

    class Error(str):
        """An error reply."""

    def __init__(self, port, timeout=30):
        self._socket = connect(port, timeout)
        self._file = self._socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self._file.close()
        self._socket.close()

    def call(self, *words):
        self.send(*words)
        return self.read()

    def send(self, *words):
        self._socket.sendall(request(*words))

    def read(self):
        """The next reply."""
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b"-":
            return Client.Error(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self._file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.read() for _ in range(int(rest))]
        raise ConnectionError(f"not a redis reply: {line!r}")

    def info(self, section):
        """INFO as a dict."""
        lines = self.call("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def wait_info(self, section, ready, seconds=30):
        """Asks INFO until ready(dict) holds; the server has no event for it. Raises TimeoutError."""

        end = time.monotonic() + seconds
        while True:
            info = self.info(section)
            if ready(info):
                return info
            if time.monotonic() > end:
                raise TimeoutError(f"INFO {section} did not come to what the test waits for: {info}")
            time.sleep(0.02)


def mixed_commands(number, count, value=b"v" * 100):
    """`count` commands of one connection on keys of its own, with the only right reply of each: SET, GET, INCR, APPEND,
    a list, a hash, an error."""
    name, counter, pushed = f"c{number}", 0, 0
    for i in range(count):
        kind = i % 8
        data = b"%s-%d-%d" % (value, number, i)
        if kind == 0:
            last = data
            yield request("SET", f"{name}:s", data), OK
        elif kind == 1:
            yield request("GET", f"{name}:s"), bulk(last)
        elif kind == 2:
            counter += 1
            yield request("INCR", f"{name}:n"), integer(counter)
        elif kind == 3:
            pushed += 1
            yield request("RPUSH", f"{name}:l", data), integer(pushed)
        elif kind == 4:
            yield request("LINDEX", f"{name}:l", -1), bulk(b"%s-%d-%d" % (value, number, i - 1))
        elif kind == 5:
            yield request("HSET", f"{name}:h", i, data), integer(1)
        elif kind == 6:
            yield request("HMGET", f"{name}:h", i - 1, "none"), array(bulk(b"%s-%d-%d" % (value, number, i - 1)),
                                                                      bulk(None))
        else:
            yield request("LPUSH", f"{name}:s", "x"), WRONG_TYPE
