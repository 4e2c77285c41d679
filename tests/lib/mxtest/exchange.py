"""A client that keeps many connections busy with pipelined requests and checks every reply, in order.

A protocol (see resp.py and http.py) turns an answer's bytes into a verdict:
    take(buffer, expected) -> number of bytes of the reply at the start of `buffer`, 0 when more are needed;
    raises WrongReply when it is not the expected one.
"""

import selectors
import threading
import time
from collections import deque

from .net import connect


class WrongReply(AssertionError):
    pass


class _Connection:
    def __init__(self, port, requests, take):
        self.socket = connect(port)
        self.socket.setblocking(False)
        self.requests, self.take = iter(requests), take
        self.waiting = deque()      # what is expected for each request sent
        self.out, self.buffer = bytearray(), bytearray()
        self.finished = False       # no more requests to send
        self.last = time.monotonic()


class Exchange:
    """Drives connections to a server.

    plan(number) gives the requests of connection `number`: an iterable of (request bytes, expected reply).
    After the run: sent, right, longest_gap (seconds without any reply, over all connections together), and
    problems (texts: a wrong reply, a closed connection, replies that never came).
    """

    def __init__(self, port, plan, take, connections=50, depth=16, silence=30):
        self.port, self.depth, self.silence = port, depth, silence
        self.sent = self.right = 0
        self.longest_gap, self.problems = 0.0, []
        self.times = []             # seconds from request to reply; filled when depth is 1
        self._stop = threading.Event()
        self._progress = threading.Condition()
        self._selector = selectors.DefaultSelector()
        self._connections = [_Connection(port, plan(n), take) for n in range(connections)]
        self._thread = None

    # -- running in the background, while the test does something to the server

    def start(self):
        self._thread = threading.Thread(target=self.run, daemon=True)
        self._thread.start()
        return self

    def wait_for_replies(self, count, seconds=60):
        """Waits until `count` more right replies arrived."""
        with self._progress:
            goal = self.right + count
            if not self._progress.wait_for(lambda: self.right >= goal or self.problems, seconds) or self.problems:
                raise AssertionError(f"only {self.right} of {goal} replies: {self.problems[:5]}")

    def finish(self):
        """Sends nothing new, waits for the replies on the way, closes."""
        self._stop.set()
        self._thread.join(self.silence + 10)
        return self

    # -- the loop

    def run(self):
        """Runs until all requests are answered, or finish() is called and what was sent is answered."""
        for connection in self._connections:
            self._fill(connection)
            self._selector.register(connection.socket, self._interest(connection), connection)
        last_reply = time.monotonic()
        open_connections = len(self._connections)
        while open_connections:
            for key, mask in self._selector.select(1):
                connection = key.data
                before = self.right
                try:
                    if mask & selectors.EVENT_WRITE:
                        self._send(connection)
                    if mask & selectors.EVENT_READ:
                        self._receive(connection)
                except (OSError, WrongReply) as problem:
                    self._lost(connection, problem)
                    open_connections -= 1
                    continue
                now = time.monotonic()
                if self.right > before:
                    self.longest_gap, last_reply = max(self.longest_gap, now - last_reply), now
                self._fill(connection)
                if connection.finished and not connection.waiting:
                    self._close(connection)
                    open_connections -= 1
                else:
                    self._selector.modify(connection.socket, self._interest(connection), connection)
            with self._progress:
                self._progress.notify_all()
            if time.monotonic() - last_reply > self.silence:
                missing = sum(len(c.waiting) for c in self._connections)
                self.problems.append(f"no reply for {self.silence} s, {missing} are missing")
                break
        for connection in self._connections:
            connection.socket.close()
        self._selector.close()
        with self._progress:
            self._progress.notify_all()
        return self

    @staticmethod
    def _interest(connection):
        return selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.out else 0)

    def _fill(self, connection):
        """Sends further requests in bursts, so that pipelines are deep: when half of the replies are in."""
        if connection.finished or len(connection.waiting) > self.depth // 2:
            return
        while len(connection.waiting) < self.depth:
            if self._stop.is_set():
                connection.finished = True
                return
            try:
                request, expected = next(connection.requests)
            except StopIteration:
                connection.finished = True
                return
            connection.out += request
            connection.waiting.append(expected)
            self.sent += 1
        connection.last = time.monotonic()

    def _send(self, connection):
        try:
            del connection.out[:connection.socket.send(connection.out)]
        except BlockingIOError:
            pass

    def _receive(self, connection):
        try:
            data = connection.socket.recv(1 << 18)
        except BlockingIOError:
            return
        if not data:
            raise ConnectionResetError("the server closed the connection")
        connection.buffer += data
        while connection.waiting:
            used = connection.take(connection.buffer, connection.waiting[0])
            if not used:
                return
            del connection.buffer[:used]
            connection.waiting.popleft()
            self.right += 1
            if self.depth == 1:
                self.times.append(time.monotonic() - connection.last)
        if connection.buffer:
            raise WrongReply(f"bytes that nobody asked for: {bytes(connection.buffer[:200])!r}")

    def _lost(self, connection, problem):
        number = self._connections.index(connection)
        self.problems.append(f"connection {number}: {problem} ({len(connection.waiting)} replies outstanding)")
        connection.waiting.clear()
        self._close(connection)

    def _close(self, connection):
        self._selector.unregister(connection.socket)
        connection.socket.close()

    def checked(self):
        """Itself when every request was answered right; else raises AssertionError."""
        if self.problems or self.right != self.sent:
            raise AssertionError(f"{self.sent} requests, {self.right} right replies\n  " + "\n  ".join(self.problems[:10]))
        return self
