#!/usr/bin/python3
"""Measures programs natively and under mx, in turn within one run; prints a table and writes JSON.

    bench/run.py [--quick] [--only redis …] [--rounds N] [--lockstep full] [--json FILE]

Of each metric: the median of native and of mx, the spread (half the distance from the smallest to the largest, as a
share of the median), mx / native, and the target of the project where there is one.
"""

import argparse
import json
import os
import pathlib
import platform
import shutil
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "lib"))

from cases import CASES, TARGETS, Context  # noqa: E402
from mxtest.box import BAD_NEWS, NATIVE, Box  # noqa: E402
from mxtest.process import adopt_orphans  # noqa: E402

SECOND = "mx"


def one_run(case, mode, quick, notes):
    """One run of a case in one mode; returns its metrics."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="mx-bench-"))
    box = Box(base / "run", mode, allow=BAD_NEWS)
    base.chmod(0o755)
    try:
        try:
            return case(Context(box, quick))
        finally:
            box.finish()
            for program in box.programs:
                if program.report and not case.__name__.startswith(("failover", "recovery")):
                    notes += [f"{case.__name__}: {line}" for line in program.report.events(*BAD_NEWS)]
    finally:
        shutil.rmtree(base, ignore_errors=True)


def measure(case, modes, rounds, quick):
    """All rounds of one case, native and mx in turn; returns its record for the JSON."""
    runs, notes = {name: [] for name in modes}, []
    for _ in range(rounds):
        for name, mode in modes.items():
            runs[name].append(one_run(case, mode, quick, notes))
    metrics = {}
    for metric in {m: None for runs_of_mode in runs.values() for one in runs_of_mode for m in one}:
        values = {name: [one[metric] for one in all_of_it if metric in one] for name, all_of_it in runs.items()}
        metrics[metric] = summary(case.__name__, metric, values)
    return {"case": case.__name__, "what": case.__doc__, "metrics": metrics, "notes": notes}


def summary(case, metric, values):
    record = {name: {"median": statistics.median(v), "spread": spread(v), "values": v} for name, v in values.items() if v}
    native, mx = (record.get(n, {}).get("median") for n in (NATIVE, SECOND))
    if native and mx is not None:
        record["ratio"] = mx / native
    if (case, metric) in TARGETS and mx is not None:
        kind, limit = TARGETS[case, metric]
        value = {"ratio>=": lambda: mx / native, "ratio<=": lambda: mx / native, "more<=": lambda: mx - native,
                 "twice+": lambda: mx - 2 * native, "mx<=": lambda: mx, "mx>=": lambda: mx}[kind]()
        record["target"] = {"kind": kind, "limit": limit, "value": value,
                            "reached": value >= limit if kind.endswith(">=") else value <= limit}
    return record


def spread(values):
    middle = statistics.median(values)
    return (max(values) - min(values)) / 2 / middle if middle else 0.0


def print_case(record):
    print(f"\n{record['what'].splitlines()[0]}  ({record['case']})")
    print(f"  {'':34}{'native':>12}{'±':>6}{'mx':>14}{'±':>6}{'mx/native':>11}   target")
    for name, metric in record["metrics"].items():
        cells = [cell(metric.get(mode)) for mode in (NATIVE, SECOND)]
        ratio = f"{metric['ratio']:.2f}" if "ratio" in metric else ""
        print(f"  {name:34}{cells[0]:>18}{cells[1]:>20}{ratio:>11}   {verdict(metric.get('target'))}")
    for note in record["notes"][:5]:
        print(f"  note: {note}")


def cell(values):
    if not values:
        return "-"
    median = values["median"]
    digits = 0 if median >= 1000 else 1 if median >= 100 else 2 if median >= 1 else 3
    return f"{median:.{digits}f} {values['spread'] * 100:4.0f}%"


def verdict(target):
    if not target:
        return ""
    words = {"ratio>=": "at least {}", "ratio<=": "at most {}", "more<=": "at most {} more", "twice+":
             "at most {} beyond two native", "mx<=": "at most {}", "mx>=": "at least {}"}[target["kind"]].format(target["limit"])
    return f"{words}: {'reached' if target['reached'] else 'NOT reached'} ({target['value']:.2f})"


def arguments():
    names = [case.__name__ for case in CASES]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", default=names,
                        help=f"cases to run: {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="short runs, fewer rounds: a first look")
    parser.add_argument("--rounds", type=int, help="runs of each mode (default: 5, quick: 3)")
    parser.add_argument("--lockstep", choices=["window", "full"], default="window")
    parser.add_argument("--json", type=pathlib.Path, help="where the JSON goes (default: build/bench.json)")
    parser.add_argument("--mx", help="path of mx (default: $MX_BIN, else the one in build/)")
    parser.add_argument("--noise", action="store_true", help="native in place of mx too: shows what is noise")
    return parser.parse_args()


def find_mx(given):
    path = given or os.environ.get("MX_BIN") or next(map(str, HERE.parent.glob("build/shim/cli/mx")), None)
    if not path or not os.access(path, os.X_OK):
        sys.exit("bench: mx is not built; build it (cmake -S . -B build -G Ninja && ninja -C build mx) or give --mx PATH")
    return path


def main():
    options = arguments()
    if not options.noise:
        os.environ["MX_BIN"] = find_mx(options.mx)
    adopt_orphans()
    modes = {NATIVE: NATIVE, SECOND: NATIVE if options.noise else options.lockstep}
    rounds = options.rounds or (3 if options.quick else 5)
    machine = {"processors": os.cpu_count(), "kernel": platform.release(), "load": os.getloadavg()[0],
               "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    print(f"{machine['processors']} processors, Linux {machine['kernel']}, load {machine['load']:.2f}; "
          f"{rounds} rounds, {'NOISE: native twice' if options.noise else 'lockstep ' + options.lockstep}")
    records = []
    for case in CASES:
        if case.__name__ in options.only:
            records.append(measure(case, modes, rounds, options.quick))
            print_case(records[-1])
            sys.stdout.flush()
    path = options.json or HERE.parent / "build" / "bench.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rounds": rounds, "lockstep": options.lockstep, "quick": options.quick,
                                "noise": options.noise, "cases": records}, indent=1), encoding="utf-8")
    print(f"\nwritten: {path}")


if __name__ == "__main__":
    main()
