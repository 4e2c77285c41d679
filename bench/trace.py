#!/usr/bin/python3
"""Who has each processor after a crash, in slices of two milliseconds, by the kernel's scheduler trace.

    bench/trace.py failover_kill | failover_crash | recovery  [--slices N]

Runs the measurement of that name once under mx (root, tracefs) and prints, from the moment of the last crash on, the
processes that ran. Where the time goes that `bench/run.py` measures, when no profile of one process tells.
"""

import argparse
import collections
import pathlib
import re
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "lib"))

import cases  # noqa: E402
from mxtest.box import BAD_NEWS, Box  # noqa: E402
from mxtest.process import adopt_orphans  # noqa: E402

SLICE = 2  # milliseconds
SWITCH = re.compile(r"-(?P<pid>\d+)\s+\[(?P<cpu>\d+)\]\s+\S+\s+(?P<time>[\d.]+): sched_switch: prev_comm=(?P<name>.*?) prev_pid=(?P<prev>\d+) ")
MARK = re.compile(r"(?P<time>[\d.]+): tracing_mark_write: crash")


class Trace:
    """An instance of tracefs of its own."""

    def __init__(self):
        self.folder = pathlib.Path("/sys/kernel/tracing/instances/mx-bench")
        self.folder.mkdir(exist_ok=True)
        for name, value in (("tracing_on", "0"), ("trace_clock", "mono"), ("buffer_size_kb", "16384"),
                            ("options/overwrite", "0"), ("events/sched/sched_switch/enable", "1")):
            self._write(name, value)

    def _write(self, name, value):
        (self.folder / name).write_text(value, encoding="ascii")

    def mark(self):
        """The crash comes now: what was before is forgotten."""
        self._write("trace", "")
        self._write("tracing_on", "1")
        self._write("trace_marker", "crash")

    def lines(self):
        self._write("tracing_on", "0")
        with open(self.folder / "trace", encoding="utf-8", errors="replace") as trace:
            return trace.readlines()

    def close(self):
        self._write("events/enable", "0")
        self.folder.rmdir()


def shares(lines):
    """Milliseconds that each process ran, by slice and processor."""
    start = next(float(m["time"]) for m in map(MARK.search, lines) if m)
    since, ran = {}, collections.defaultdict(collections.Counter)
    for line in lines:
        m = SWITCH.search(line)
        if not m:
            continue
        at, cpu = (float(m["time"]) - start) * 1000, m["cpu"]
        begin = since.get(cpu, at)
        while begin < at:
            end = min(at, (begin // SLICE + 1) * SLICE)
            if end <= begin:
                break
            ran[int(begin // SLICE), cpu][f"{m['name']}/{m['prev']}"] += end - begin
            begin = end
        since[cpu] = at
    return ran


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=["failover_kill", "failover_crash", "recovery"])
    parser.add_argument("--slices", type=int, default=25)
    options = parser.parse_args()
    adopt_orphans()
    folder, trace = pathlib.Path(tempfile.mkdtemp(prefix="mx-trace-")), Trace()
    folder.chmod(0o755)
    box = Box(folder / "run", "window", allow=BAD_NEWS)
    context = cases.Context(box, quick=True)
    context.mark = trace.mark
    try:
        print(next(case for case in cases.CASES if case.__name__ == options.case)(context))
        ran = shares(trace.lines())
        box.finish()
    finally:
        trace.close()
        shutil.rmtree(folder, ignore_errors=True)
    for number, cpu in sorted(ran):
        if number < options.slices:
            names = (f"{name} {time:.2f}" for name, time in ran[number, cpu].most_common(5))
            print(f"{number * SLICE:4} ms  cpu {int(cpu)}  {', '.join(names)}")


if __name__ == "__main__":
    main()
