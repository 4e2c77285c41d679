"""How the crash set talks to its programs: one question at a time, each with the only right answer.

An answer that is expected is bytes (these, and no others), or a function take(buffer) that gives the number of bytes of the
answer at the start of the buffer, 0 when more are needed, and raises WrongReply when it is another one.
"""

import os
import select
import socket
import threading
import time

from mxtest import http
from mxtest.exchange import WrongReply


def http_answer(status, body):
    """The answer to an HTTP request, whatever its other headers say."""
    return lambda buffer: http.take(buffer, http.Expected(status, body))


def _exactly(expected):
    def take(buffer):
        if buffer.startswith(expected):
            return len(expected)
        if expected.startswith(bytes(buffer)):
            return 0
        raise WrongReply(f"expected {expected[:200]!r}, got {bytes(buffer[:200])!r}")
    return take


class Stream:
    """A byte stream in each direction."""

    def __init__(self, reading, writing, silence=60):
        self._reading, self._writing, self._silence, self._buffer = reading, writing, silence, bytearray()

    def ask(self, request, expected):
        os.write(self._writing, request)
        take = expected if callable(expected) else _exactly(expected)
        end = time.monotonic() + self._silence
        while True:
            used = take(self._buffer) if self._buffer else 0
            if used:
                del self._buffer[:used]
                if self._buffer:
                    raise WrongReply(f"bytes that nobody asked for: {bytes(self._buffer[:200])!r}")
                return
            if not select.select([self._reading], [], [], max(0, end - time.monotonic()))[0]:
                raise WrongReply(f"no answer to {request[:80]!r} within {self._silence} s, only {bytes(self._buffer[:200])!r}")
            data = os.read(self._reading, 1 << 16)
            if not data:
                raise WrongReply(f"closed instead of an answer to {request[:80]!r}")
            self._buffer += data


class Tcp(Stream):
    """A connection of its own."""

    def __init__(self, address, port):
        self._socket = socket.create_connection((address, port), timeout=30)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.settimeout(None)
        super().__init__(self._socket.fileno(), self._socket.fileno())

    def close(self):
        self._socket.close()


class Pipes(Stream):
    """The standard input and output of the program. There is one, so all share it."""

    def __init__(self):
        self.stdin, writing = os.pipe()
        reading, self.stdout = os.pipe()
        super().__init__(reading, writing)
        self._lock = threading.Lock()

    def ask(self, request, expected):
        with self._lock:
            super().ask(request, expected)

    def started(self):
        """The program has its ends now."""
        os.close(self.stdin)
        os.close(self.stdout)

    def close(self):
        pass

    def end(self):
        os.close(self._writing)
        os.close(self._reading)


class Udp:
    """Datagrams; what is answered from another port than asked (TFTP) is acknowledged there."""

    def __init__(self, address, silence=60):
        self._address, self._silence = address, silence
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def ask(self, request, expected):
        port, data = request
        self._socket.sendto(data, (self._address, port))
        self._socket.settimeout(self._silence)
        try:
            answer, sender = self._socket.recvfrom(1 << 16)
        except TimeoutError:
            raise WrongReply(f"no answer to {data[:80]!r} within {self._silence} s") from None
        if sender[1] != port:
            self._socket.sendto(b"\0\4" + answer[2:4], sender)
        if not expected(answer):
            raise WrongReply(f"wrong answer to {data[:80]!r}: {answer[:200]!r}")

    def close(self):
        self._socket.close()


class Load:
    """Asks the questions of case.plan(number) on several talks at the same time until stop()."""

    def __init__(self, case, workers):
        self.case, self.right, self.problems = case, 0, []
        self._stop, self._progress = threading.Event(), threading.Condition()
        self._threads = [threading.Thread(target=self._work, args=(n,), daemon=True) for n in range(workers)]
        for thread in self._threads:
            thread.start()

    def _work(self, number):
        try:
            talk = self.case.talk()
            for request, expected in self.case.plan(number):
                if self._stop.is_set():
                    break
                talk.ask(request, expected)
                with self._progress:
                    self.right += 1
                    self._progress.notify_all()
            talk.close()
        except (OSError, WrongReply) as problem:
            with self._progress:
                self.problems.append(f"client {number}: {problem}")
                self._progress.notify_all()

    def wait_for_answers(self, count, seconds=90):
        """Waits until `count` more answers came; raises when one was wrong or missing."""
        with self._progress:
            goal = self.right + count
            if not self._progress.wait_for(lambda: self.right >= goal or self.problems, seconds) or self.problems:
                raise WrongReply(f"{self.right} of {goal} answers, then: {self.problems[:5] or 'none'}")

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(90)
        if self.problems:
            raise WrongReply(f"after {self.right} right answers: {self.problems[:5]}")
        return self.right
