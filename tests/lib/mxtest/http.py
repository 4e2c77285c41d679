"""HTTP/1.1: requests and the check of replies for Exchange."""

import http.client

from .exchange import WrongReply


def request(path, host="localhost", method="GET", headers=()):
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", *(f"{k}: {v}" for k, v in headers), "", ""]
    return "\r\n".join(lines).encode()


class Expected:
    """What a reply must be: status, body, and headers (a dict of those that matter, lower-case names)."""

    def __init__(self, status=200, body=None, headers=None):
        self.status, self.body, self.headers = status, body, headers or {}


def take(buffer, expected):
    """For Exchange: takes one reply with a Content-Length from the buffer and checks it."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        if not b"HTTP/1.1".startswith(bytes(buffer[:8])):
            raise WrongReply(f"not an HTTP reply: {bytes(buffer[:200])!r}")
        return 0
    lines = bytes(buffer[:end]).decode("latin-1").split("\r\n")
    headers = dict((k.lower(), v.strip()) for k, _, v in (line.partition(":") for line in lines[1:]))
    status = int(lines[0].split(" ")[1])
    length = end + 4 + int(headers.get("content-length", 0))
    if len(buffer) < length:
        return 0
    body = bytes(buffer[end + 4:length])
    if status != expected.status:
        raise WrongReply(f"expected status {expected.status}, got {lines[0]!r}")
    if expected.body is not None and body != expected.body:
        raise WrongReply(f"wrong body: {len(body)} bytes, expected {len(expected.body)}; starts {body[:80]!r}")
    for name, value in expected.headers.items():
        if headers.get(name) != value:
            raise WrongReply(f"header {name} is {headers.get(name)!r}, expected {value!r}")
    return length


def get(port, path, method="GET", headers=(), timeout=30, body=None):
    """One request on a connection of its own: (status, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        reply = connection.getresponse()
        return reply.status, reply.read()
    finally:
        connection.close()
