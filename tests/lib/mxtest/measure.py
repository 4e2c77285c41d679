"""What processes used, from /proc."""

import ctypes
import pathlib

_SYS_KCMP, _KCMP_VM = 312, 1
_libc = ctypes.CDLL(None)


def cpu_seconds(pids):
    """Processor time (user and system) of these processes so far (of their living threads)."""
    total = 0.0
    for pid in pids:
        try:
            total += sum(int(task.joinpath("schedstat").read_text().split()[0])
                         for task in pathlib.Path(f"/proc/{pid}/task").iterdir()) / 1e9
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total


def pss_bytes(pids):
    """Memory of these processes; what several share counts in parts (proportional set size), and one address space that
    several have (CLONE_VM) once: the kernel tells its size for each of them."""
    total, seen = 0, []
    for pid in pids:
        if any(_libc.syscall(_SYS_KCMP, pid, other, _KCMP_VM, 0, 0) == 0 for other in seen):
            continue
        seen.append(pid)
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
