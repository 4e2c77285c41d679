"""Reads the report of `mx run --report FILE`: JSON lines, one event each."""

import ctypes
import json
import os
import time

from .process import readable

EVENTS = {"start", "divergence", "crash", "hang", "failover", "recovery", "dropped", "promoted", "refused",
          "note", "exit"}
_libc = ctypes.CDLL(None, use_errno=True)
_IN_MODIFY, _IN_CREATE = 0x2, 0x100


class Report:
    """A report file, which may not exist yet and may still grow."""

    def __init__(self, path):
        self.path = str(path)

    def lines(self):
        """All complete lines so far, decoded. A line that is no JSON object with a known `event` raises ValueError."""
        try:
            with open(self.path, encoding="utf-8") as file:
                text = file.read()
        except FileNotFoundError:
            return []
        return [self._decode(line) for line in text.split("\n")[:-1]]

    def events(self, *kinds, version=None):
        """The lines whose event is one of `kinds` (and, when asked, of one version)."""
        return [line for line in self.lines()
                if line["event"] in kinds and version in (None, line.get("version"))]

    def wait(self, kind, seconds=30, version=None, alive=lambda: True):
        """Waits for the first event of this kind (or of one of these) and returns it. Raises TimeoutError with the report's text."""
        kinds = (kind,) if isinstance(kind, str) else kind
        end = time.monotonic() + seconds
        with _Watch(os.path.dirname(self.path)) as watch:
            while True:
                found = self.events(*kinds, version=version)
                if found:
                    return found[0]
                left = end - time.monotonic()
                if left <= 0 or not alive():
                    raise TimeoutError(f"no {kind!r} event in {self.path} within {seconds} s; it says:\n{self.text()}")
                watch.wait(min(left, 1))

    def pid(self, version):
        """The real process id of a version's first process, from its `start` line."""
        return self.wait("start", version=version)["pid"]

    def text(self):
        return "\n".join(json.dumps(line) for line in self.lines()) or "(nothing)"

    @staticmethod
    def _decode(line):
        value = json.loads(line)
        if not isinstance(value, dict) or value.get("event") not in EVENTS:
            raise ValueError(f"the report has a line of no known event: {line}")
        return value


class _Watch:
    """inotify on one folder."""

    def __init__(self, folder):
        self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0 or _libc.inotify_add_watch(self.fd, folder.encode(), _IN_MODIFY | _IN_CREATE) < 0:
            raise OSError(ctypes.get_errno(), "inotify", folder)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def wait(self, seconds):
        if readable(self.fd, seconds):
            os.read(self.fd, 65536)
