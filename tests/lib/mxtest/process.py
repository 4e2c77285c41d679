"""Programs that a test starts, and the processes they leave behind."""

import ctypes
import os
import pathlib
import select
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass

_PR_SET_CHILD_SUBREAPER = 36


def readable(fd, seconds):
    """Waits until `fd` can be read. False after `seconds`. (select(2) knows no descriptor beyond 1023.)"""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


class Failure(AssertionError):
    """A run did not do what it must; the text says what and shows the program's output."""


@dataclass
class Done:
    """A program that ended: its exit status (128+n after signal n, as a shell shows it) and its output."""
    status: int
    out: bytes
    err: bytes

    def checked(self):
        """Itself, when the status is 0; else raises Failure with the output."""
        if self.status != 0:
            raise Failure(f"exit status {self.status}\n--- output\n{_tail(self.out)}\n--- errors\n{_tail(self.err)}")
        return self


class Program:
    """A running program. Its output goes to files, so it never blocks on a pipe nobody reads."""

    def __init__(self, command, folder, name, env=None, stdin=subprocess.DEVNULL, report=None, tag=None, umask=-1,
                 preexec=None):
        self.command, self.folder, self.report = [str(c) for c in command], pathlib.Path(folder), report
        self.out_path, self.err_path = self.folder / f"{name}.out", self.folder / f"{name}.err"
        self.tag = tag or name
        with open(self.out_path, "wb") as out, open(self.err_path, "wb") as err:
            self._process = subprocess.Popen(self.command, cwd=self.folder, env=env, stdin=stdin, stdout=out,
                                             stderr=err, start_new_session=True, umask=umask, preexec_fn=preexec)
        self.pid = self._process.pid
        self._pidfd = os.pidfd_open(self.pid)

    def alive(self):
        return self._process.poll() is None

    def send(self, number):
        os.kill(self.pid, number)

    def wait(self, seconds=60):
        """Waits for the end. A program that does not end is killed, and Failure raised."""
        if self._process.returncode is None and not readable(self._pidfd, seconds):
            self.kill()
            raise Failure(f"{self.tag} did not end within {seconds} s and was killed\n{self.output()}")
        status = self._process.wait()
        return Done(status if status >= 0 else 128 - status, self.out_path.read_bytes(), self.err_path.read_bytes())

    def stop(self, number=signal.SIGTERM, seconds=30):
        """Sends a signal and waits for the end."""
        if self.alive():
            self.send(number)
        return self.wait(seconds)

    def kill(self):
        if self.alive():
            os.kill(self.pid, signal.SIGKILL)
        self._process.wait()

    def output(self):
        """What it wrote so far, for a message."""
        return (f"--- {self.tag}: output\n{_tail(self.out_path.read_bytes())}\n"
                f"--- {self.tag}: errors\n{_tail(self.err_path.read_bytes())}\n"
                f"--- report\n{self.report.text() if self.report else '(native run)'}")

    def replay(self):
        """The shell command that runs it again."""
        return f"cd {shlex.quote(str(self.folder))} && {shlex.join(self.command)}"

    def close(self):
        os.close(self._pidfd)


def adopt_orphans():
    """From now on a process whose parent ends becomes a child of this one, so that no test can leave one unseen."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(pid):
    """Process ids below `pid`, without zombies."""
    parents = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            fields = pathlib.Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            parents.setdefault(int(fields[1]), []).append(int(entry))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def command_line(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return "(ended)"


def end_leftovers(grace=5):
    """Gives the processes below this one `grace` seconds to end, kills the others and returns what they were."""
    end = time.monotonic() + grace
    while True:
        left = descendants(os.getpid())
        if not left or time.monotonic() > end:
            break
        fd = _pidfd(left[0])
        if fd is not None:
            readable(fd, max(0, end - time.monotonic()))
            os.close(fd)
    names = [f"{pid}: {command_line(pid)}" for pid in left]
    while left:
        for pid in left:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        _reap()
        left = descendants(os.getpid())
    _reap()
    return names


def _pidfd(pid):
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def _reap():
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def _tail(data, limit=4000):
    text = data[-limit:].decode(errors="replace")
    return ("…" if len(data) > limit else "") + text
