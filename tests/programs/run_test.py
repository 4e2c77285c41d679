#!/usr/bin/env python3
"""Tests of the driver itself: what it must notice, it notices. Runs without mx.

A stand-in command plays mx here: the driver cannot be trusted to find a fault in mx unless it
finds the same fault when it is put there on purpose.
"""
import contextlib
import io
import json
import os
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import run
from program import Program

GOOD_EVENTS = [{"event": "start", "version": "old"}, {"event": "start", "version": "new"},
               {"event": "exit", "status": 42, "events": 10}]

STAND_IN = """#!/bin/sh
# mx run --old P --new P --lockstep L --report FILE -- ARGS
program=$3 report=$9; shift 10
cat > "$report" <<'END'
{report}
END
{before}
"$program" "$@"
status=$?
{after}
exit $status
"""


class DriverTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="mx-driver-test-")
        self.addCleanup(self.folder.cleanup)
        self.path = tempfile.tempdir = self.folder.name
        self.addCleanup(setattr, tempfile, "tempdir", None)
        self.write("exit_status_42", "#!/bin/sh\necho about to exit with 42\nexit 42\n")

    def write(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def drive(self, *options, mode="native", timeout="10"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            with self.assertRaises(SystemExit) as ended:
                run.main(["--build", self.path, "--mode", mode, "--timeout", timeout, *options,
                          "exit_status_42"])
        return ended.exception.code, said.getvalue()

    def drive_mx(self, events=None, before="", after="", mode="window", timeout="10"):
        lines = "\n".join(json.dumps(event) for event in (events or GOOD_EVENTS))
        mx = self.write("mx", STAND_IN.format(report=lines, before=before, after=after))
        return self.drive("--mx", mx, mode=mode, timeout=timeout)

    def assert_fails(self, outcome, text):
        self.assertEqual(outcome[0], 1, outcome[1])
        self.assertIn(text, outcome[1])

    def test_good_run_passes_and_leaves_nothing(self):
        self.assertEqual(self.drive(), (0, "ok exit_status_42.native\n"))
        self.assertEqual(os.listdir(self.path), ["exit_status_42"])

    def test_wrong_output(self):
        self.write("exit_status_42", "#!/bin/sh\necho other words\nexit 42\n")
        self.assert_fails(self.drive(), "+other words")

    def test_wrong_status(self):
        self.write("exit_status_42", "#!/bin/sh\necho about to exit with 42\n")
        self.assert_fails(self.drive(), "exit status")

    def test_words_on_standard_error(self):
        self.write("exit_status_42", "#!/bin/sh\necho about to exit with 42\necho x >&2\nexit 42\n")
        self.assert_fails(self.drive(), "+x")

    def test_hang_is_ended_and_described(self):
        self.write("exit_status_42", "#!/bin/sh\nsleep 1000\n")
        outcome = self.drive(timeout="0.5")
        self.assert_fails(outcome, "it hangs")
        self.assertIn("sleep 1000", outcome[1])
        self.assertIn("replay: ", outcome[1])

    def test_left_over_process(self):
        self.write("exit_status_42", "#!/bin/sh\necho about to exit with 42\n"
                                     "setsid sleep 1000 >/dev/null 2>&1 </dev/null &\nexit 42\n")
        self.assert_fails(self.drive(), "left over")

    def test_missing_binary(self):
        os.unlink(os.path.join(self.path, "exit_status_42"))
        self.assert_fails(self.drive(), "is not built")

    def test_missing_mx(self):
        code, text = self.drive("--mx", "/no/such/mx", mode="window")
        self.assertEqual(code, 2)
        self.assertIn("needs mx", text)

    def test_mx_good(self):
        for mode in ("window", "full"):
            self.assertEqual(self.drive_mx(mode=mode), (0, f"ok exit_status_42.{mode}\n"))

    def test_mx_other_output(self):
        self.assert_fails(self.drive_mx(before="echo doubled"), "+doubled")

    def test_mx_other_status(self):
        self.assert_fails(self.drive_mx(after="status=0"), "exit status")

    def test_mx_other_files(self):
        self.assert_fails(self.drive_mx(before="echo text > stray"), "+stray - 644 b'text")

    def test_report_must_not_say(self):
        for event in ("divergence", "dropped", "crash", "failover", "hang", "refused"):
            events = [*GOOD_EVENTS, {"event": event}]
            self.assert_fails(self.drive_mx(events), f'unexpected {{"event": "{event}"}}')

    def test_report_must_say(self):
        self.assert_fails(self.drive_mx(GOOD_EVENTS[1:]), "no start event of version old")
        self.assert_fails(self.drive_mx(GOOD_EVENTS[:2]), "0 exit events")
        wrong = GOOD_EVENTS[:2] + [{"event": "exit", "status": 1, "events": 10}]
        self.assert_fails(self.drive_mx(wrong), "says status 1")
        self.assert_fails(self.drive_mx(["text"]), "not readable")

    def test_killed_half_way(self):
        failover = ('[ -z "$MX_FAULT" ] || echo \'{"event": "failover", "fault": "\'$MX_FAULT\'"}\''
                    ' >> "$report"')
        self.assertEqual(self.drive_mx(after=failover, mode="killed")[0], 0)
        self.assert_fails(self.drive_mx(mode="killed"), "no failover event")
        check = '[ -z "$MX_FAULT" ] || [ "$MX_FAULT" = kill:5 ] || status=1'
        self.assertEqual(self.drive_mx(after=failover + "\n" + check, mode="killed")[0], 0)

    def test_report_without_events(self):
        events = GOOD_EVENTS[:2] + [{"event": "exit", "status": 42}]
        self.assert_fails(self.drive_mx(events, mode="killed"), "number of events")


class SourceTest(unittest.TestCase):
    """The comments at the top of a source, and the sources there are."""

    def program(self, text):
        with tempfile.TemporaryDirectory() as folder:
            with open(os.path.join(folder, "sample.c"), "w") as file:
                file.write(text)
            return Program("sample", folder)

    def test_all_directives(self):
        program = self.program('// Shows: this is no directive.\n// build: -pthread\n'
                               '// args: a "b c"\n// stdin: in\n// expect: 1\n// expect: 2\n'
                               '// expect-stderr: e\n// expect-mx: m\n// exit: 3\n'
                               '// modes: native full -- because\n'
                               '// report-allows: refused crash -- because\nint x;\n// expect: 9\n')
        self.assertEqual(program.args, ["a", "b c"])
        self.assertEqual((program.stdin, program.expect, program.exit), ("in\n", "1\n2\n", 3))
        self.assertEqual((program.expect_stderr, program.expect_mx), ("e\n", "m\n"))
        self.assertEqual(program.modes, ["native", "full"])
        self.assertEqual(program.report_allows, ["refused", "crash"])

    def test_mistakes_are_errors(self):
        for line in ("// expects: 1", "// modes: native", "// report-allows: crash -- ",
                     "// modes: sideways -- because"):
            with self.assertRaises(ValueError, msg=line):
                self.program("// First line.\n" + line + "\n")

    def test_every_source_is_small_and_well_described(self):
        names = [n for n in os.listdir(HERE) if n.endswith((".c", ".cpp"))]
        self.assertGreaterEqual(len(names), 150)
        for name in names:
            with open(os.path.join(HERE, name)) as file:
                lines = file.read().splitlines()
            self.assertLessEqual(len(lines), 60, name)
            self.assertRegex(lines[0], r"^// .*[.)]$", name)
            self.assertNotIn("MX_", "\n".join(lines).replace("MX_TESTS", ""), name)
            Program(os.path.splitext(name)[0])


if __name__ == "__main__":
    unittest.main()
