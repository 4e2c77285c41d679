#!/usr/bin/env python3
"""Kills the leader of small programs at events chosen by lot, and compares what can be seen with a native run.

The tests kill at one place of each program (run.py, mode killed); this looks for the places where that goes wrong. Not a
test: what it finds depends on chance, and what it is known to find stands in docs/limits.md. Prints a line for each place.
"""
import argparse
import collections
import os
import random
import re
import resource
import shutil
import sys
import time

sys.dont_write_bytecode = True
MOST_SHOWN = 600  # characters of a difference
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from program import Program
from report import leader_events
from run import Failure, Session
from runner import become_reaper


def not_carried():
    """Programs that are left out of mode killed, or of all modes."""
    left_out = set()
    with open(os.path.join(HERE, "not_carried.txt")) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                name, modes = line.split()
                if {"killed", "window"} & set(modes.split(",")):
                    left_out.add(name)
    return left_out


def remove_runs(session):
    for name in os.listdir(session.folder):
        if name.startswith("take"):
            path = os.path.join(session.folder, name)
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def examine(options, name):
    """Returns (runs, {what went wrong: where})."""
    session, found, runs = Session(options, Program(name)), collections.defaultdict(list), 0
    try:
        native = session.native()
        events = leader_events(session.under_mx("counted", "window", native, {})) or 1
        end = time.monotonic() + options.seconds
        while runs < options.takes and time.monotonic() < end:
            fault = f"{options.kind}:{random.randint(1, events)}"
            try:
                session.under_mx(f"take{runs}", "window", native, {"MX_FAULT": fault}, killed=True, may_miss=True)
            except Failure as failure:
                found[str(failure).split("replay:")[0].replace(f"take{runs}", "take")].append(fault)
            runs += 1
            remove_runs(session)
    except Failure as failure:
        found[str(failure)].append("not killed")
    finally:
        shutil.rmtree(session.folder)
    return runs, found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", required=True, help="folder with the built programs")
    parser.add_argument("--mx", required=True)
    parser.add_argument("--takes", type=int, default=20, help="of each program (20)")
    parser.add_argument("--seconds", type=float, default=25, help="at most, for each program (25)")
    parser.add_argument("--kind", default="kill", choices=("kill", "kill-after", "ill"))
    parser.add_argument("--timeout", type=float, default=20, help="of a run, in seconds (20)")
    parser.add_argument("pattern", nargs="?", default="", help="regular expression of programs' names")
    options = parser.parse_args()
    options.mode = "killed"
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    become_reaper()
    names = {file.rsplit(".", 1)[0] for file in os.listdir(HERE) if file.endswith((".c", ".cpp"))} - not_carried()
    total = wrong = 0
    for name in sorted(names):
        modes = Program(name).modes
        if not re.search(options.pattern, name) or (modes and "killed" not in modes) \
                or not os.access(os.path.join(options.build, name), os.X_OK):
            continue
        runs, found = examine(options, name)
        total += runs
        for what, where in found.items():
            wrong += len(where)
            print(f"{name}: {len(where)} of {runs}: {' '.join(where)}\n{what[:MOST_SHOWN]}", flush=True)
    print(f"{total} runs, {wrong} wrong")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
