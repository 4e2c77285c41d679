"""The crash set: each historic bug crashes one version under load, in both directions; clients must see nothing of it.

MX_RECOVERY=on    recover the crashed version (default: off, the survivor goes on alone)
MX_CRASHES=N      with recovery: crash it N times in one run (default 3), then drop the other version and go on
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))

import programs  # noqa: E402
import roots  # noqa: E402
from cases import CASES  # noqa: E402
from mxtest import ProgramTest, main, settings  # noqa: E402
from mxtest.exchange import WrongReply  # noqa: E402
from talk import Load  # noqa: E402

RECOVERY = os.environ.get("MX_RECOVERY", "off") == "on"
CRASHES = int(os.environ.get("MX_CRASHES", "3")) if RECOVERY else 1
EVENTS = ("crash", "hang", "failover", "dropped", "promoted", "recovery", "divergence", "note")
ANSWERS = 100       # of the load, before and after what happens to the server


class Run:
    """One program of a case, native or as two versions, with its load."""

    def __init__(self, make, box, old, new=None, native=None):
        self.box, self.case = box, make(box)
        streams, own_roots = self.case.streams(), new and self.case.libraries(new)
        options = ["--id", "set", "--recovery", "on" if RECOVERY else "off"]
        if own_roots:
            options += roots.options(box.path("roots"))

        def enter():
            if own_roots:
                roots.enter(box.path("roots"), (self.case.libraries(old), own_roots))
            if streams:
                os.dup2(streams.stdout, 1)
        more = {"stdin": streams.stdin} if streams else {}
        self.environment = {"MX_STATE_DIR": str(box.path("state"))}
        if not own_roots and self.case.libraries(old):      # natively they lie beside the program
            self.environment["LD_LIBRARY_PATH"] = str(self.case.libraries(old)[0].parent)
        self.program = box.start([old, *self.case.arguments(None if own_roots else old)], new, native=native, ready=self.case.ready(),
                                 env=self.environment, options=options, preexec=enter, **more)
        if streams:
            streams.started()
        self.talk = self.case.talk()
        self.case.prepare(self.talk)

    def deadly(self):
        self.talk.ask(*self.case.deadly())

    def load(self):
        return Load(self.case, self.case.workers)

    def end(self):
        """Ends the program as its user would."""
        self.talk.close()
        if self.case.streams():
            self.case.streams().end()
            return self.program.wait(30).status
        return self.program.stop().status

    def mx(self, *arguments):
        """A command of the operator."""
        return subprocess.run([settings.mx(), *arguments], env={**os.environ, **self.environment}, check=False,
                              capture_output=True, text=True, timeout=60)

    def drop(self, version):
        """mx drop; what it says."""
        return self.mx("drop", "set", version)

    def await_checkpoint(self, version, seconds=30):
        """Until this version could come back; returns the reason if it never can."""
        end = time.monotonic() + seconds
        while True:
            status = json.loads(self.mx("status", "--json", "set").stdout)["checkpoints"][version]
            if status["asleep"]:
                return None
            if time.monotonic() > end:
                return status["reason"]
            time.sleep(0.005)

    def recoveries(self, count, seconds=90):
        """The `recovery` lines, when there are `count`, or when a version has been dropped; without those of processes that only
        went back with another one."""
        end = time.monotonic() + seconds
        while True:
            lines = [line for line in self.program.report.events("recovery") if "went back with it" not in line.get("reason", "")]
            if len(lines) >= count or self.program.report.events("dropped"):
                return lines
            if time.monotonic() > end:
                raise TimeoutError(f"{len(lines)} of {count} recoveries:\n{self.program.report.text()}")
            time.sleep(0.01)


class CrashSet(ProgramTest):

    def bad_alone(self, make, box):
        """The bad program dies natively as its patch says."""
        run, answered = Run(make, box, programs.path_of(make.program, make.bug)), []

        def ask():      # nobody tells who waits for a datagram that there will be none
            try:
                run.deadly()
                answered.append(True)
            except (OSError, WrongReply):
                pass
        threading.Thread(target=ask, daemon=True).start()
        status = run.program.wait(30).status
        self.assertEqual([], answered, "the bad version answered right")
        return {"status": status}

    def good_alone(self, make, box):
        """The good program answers the deadly question natively, under load."""
        run = Run(make, box, programs.path_of(make.program))
        load = run.load()
        load.wait_for_answers(ANSWERS)
        run.deadly()
        load.wait_for_answers(ANSWERS)
        load.stop()
        return {"status": run.end()}

    def crashes(self, make, box, bad):
        """The bad version crashes CRASHES times; the clients see right answers only."""
        pair = [programs.path_of(make.program, make.bug), programs.path_of(make.program)]
        old, new = pair if bad == "old" else pair[::-1]
        run = Run(make, box, old, new)
        load = run.load()
        load.wait_for_answers(ANSWERS)
        report, recoveries = run.program.report, []
        for count in range(1, CRASHES + 1):
            if RECOVERY:
                run.await_checkpoint(bad, 5)
            run.deadly()
            load.wait_for_answers(ANSWERS)
            recoveries = run.recoveries(count) if RECOVERY else []
            if RECOVERY and report.events("dropped"):
                break
        self.judge(make, run, bad, recoveries)
        alive = RECOVERY and not report.events("dropped")
        if alive:   # the recovered version proves that it lives
            dropped = run.drop("new" if bad == "old" else "old")
            self.assertEqual(0, dropped.returncode, dropped.stderr)
            load.wait_for_answers(ANSWERS)
        answers = load.stop()
        if not alive:
            run.deadly()    # the good version is alone by now
        print(f"\n{make.program} {make.bug}, {bad} is bad: {answers} right answers, {tally(report, recoveries)}")
        return {"status": run.end()}

    def judge(self, make, run, bad, recoveries):
        report = run.program.report
        if make.not_possible and RECOVERY and report.events("dropped"):
            reasons = {line["reason"] for line in report.events("dropped")}
            reasons |= {line["reason"] for line in recoveries if line["result"] != "resynchronised"}
            self.assertTrue(all(re.search(make.not_possible, reason) for reason in reasons), reasons)
            return
        if make.writes_first and bad == "new":
            report.wait("divergence", 20, version=bad)
        else:
            self.assertIn("signal", report.wait("crash", 20, version=bad))
        failovers = report.events("failover")
        if bad == "old":
            report.wait("failover", 20)
        elif not recoveries:
            self.assertEqual([], failovers, report.text())
        if RECOVERY:
            good = [line for line in recoveries if line["result"] == "resynchronised"]
            self.assertGreaterEqual(len(good), CRASHES * 0.99, report.text())


def tally(report, recoveries):
    counts = {kind: len(report.events(kind)) for kind in ("crash", "failover", "divergence", "dropped")}
    results = [line["result"] for line in recoveries]
    return json.dumps({**counts, **{result: results.count(result) for result in sorted(set(results))}})


def _add(make):
    name = "_".join(filter(None, (make.program, make.bug, make.setting)))

    def native(self):
        """The bad version dies natively; the good one answers and goes on."""
        def bad(_, box):
            return self.bad_alone(make, box)

        def good(_, box):
            return self.good_alone(make, box)
        for function in (bad, good):
            function.allow, function.__name__ = (), f"{name}_{function.__name__}"
        if make.dies is not None:
            self.assertEqual({"status": make.dies}, self.run_in(bad, "native"))
        CrashSet.natively[name] = self.run_in(good, "native")

    def under_mx(bad):
        def test(self):
            if bad == "old" and make.out_before:
                self.skipTest(make.out_before)

            def function(_, box):
                return self.crashes(make, box, bad)
            function.allow, function.__name__ = EVENTS, f"{name}_{bad}_bad"
            result = self.run_in(function, "window")
            self.assertEqual(CrashSet.natively.get(name, result), result)
        return test
    setattr(CrashSet, f"test_{name}_native", native)
    if settings.mx():
        for bad in ("old", "new"):
            setattr(CrashSet, f"test_{name}_{bad}_bad", under_mx(bad))


CrashSet.natively = {}
for _make in CASES:
    _add(_make)

if __name__ == "__main__":
    main()
