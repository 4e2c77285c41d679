"""What processes used, from /proc."""

import pathlib


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
    """Memory of these processes; what several share counts in parts (proportional set size)."""
    total = 0
    for pid in pids:
        try:
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            continue
    return total
