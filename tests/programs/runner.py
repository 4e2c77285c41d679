"""Starts one command with a time limit, and takes care of every process it leaves behind."""
import ctypes
import os
import signal
import stat
import subprocess
import time
from collections import namedtuple

PR_SET_CHILD_SUBREAPER = 36
GRACE = 3.0  # seconds that processes may take to end after their root process has


# `status` is 128+n for signal n; `trouble` is '' or why the run is bad in itself.
Result = namedtuple("Result", "stdout stderr status trouble")


def become_reaper():
    """Makes orphans of the programs children of this process, so that none is lost from sight."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def run(command, cwd, stdin, environment, timeout):
    """Runs `command` in a session of its own with a small, fixed environment."""
    base = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LANG": "C"}
    process = subprocess.Popen(command, cwd=cwd, env=base | environment, umask=0o022,
                               stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    trouble = ""
    try:
        stdout, stderr = process.communicate(stdin.encode() if stdin else None, timeout)
        trouble = await_descendants()
    except subprocess.TimeoutExpired:
        exited = process.poll() is not None
        what = "its first process ended but others hold its output" if exited else "it hangs"
        trouble = f"not done after {timeout:g} s: {what}\n{describe_descendants()}"
        kill_descendants()
        stdout, stderr = process.communicate()
    status = process.returncode
    return Result(stdout.decode(errors="backslashreplace"), stderr.decode(errors="backslashreplace"),
                  128 - status if status < 0 else status, trouble)


def await_descendants():
    """Waits until no process is left over; kills what remains and says so."""
    deadline = time.monotonic() + GRACE
    pause = 0.001
    while reap() and time.monotonic() < deadline:
        time.sleep(pause)
        pause = min(pause * 2, 0.05)
    if not reap():
        return ""
    trouble = f"processes are left over {GRACE:g} s after its end:\n{describe_descendants()}"
    kill_descendants()
    return trouble


def reap():
    """Collects dead orphans; True while children remain."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def descendants():
    """Ids of all processes below this one."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as file:
                    parent = int(file.read().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue  # gone meanwhile
            children.setdefault(parent, []).append(int(entry))
    found, queue = [], [os.getpid()]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def describe_descendants():
    """One line for each process below this one: what it is and where it waits."""
    def read(pid, name):
        try:
            with open(f"/proc/{pid}/{name}") as file:
                return file.read().replace("\0", " ").strip()
        except OSError:
            return "?"
    lines = []
    for pid in descendants():
        state = read(pid, "stat").rpartition(")")[2].split()[:2]
        lines.append(f"  {pid} {read(pid, 'comm')} state,parent={state} wchan={read(pid, 'wchan')} "
                     f"syscall={read(pid, 'syscall')} cmdline={read(pid, 'cmdline')[:80]}\n")
    return "".join(lines)


def kill_descendants():
    """Kills all processes below this one, again until none comes back."""
    while True:
        alive = descendants()
        for pid in alive:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if not reap():
            return
        time.sleep(0.01)


def snapshot(root):
    """{relative path: (type, permission bits, content)} of everything below `root`."""
    tree = {}
    for folder, names, files in os.walk(root):
        for name in names + files:
            path = os.path.join(folder, name)
            info = os.lstat(path)
            content = ""
            if stat.S_ISREG(info.st_mode):
                with open(path, "rb") as file:
                    content = file.read()
            elif stat.S_ISLNK(info.st_mode):
                content = os.readlink(path)
            kind = stat.filemode(info.st_mode)[0]
            tree[os.path.relpath(path, root)] = (kind, stat.S_IMODE(info.st_mode), content)
    return tree
