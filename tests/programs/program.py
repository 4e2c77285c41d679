"""The directives at the top of a small program's source."""
import os
import re
import shlex

SOURCES = os.path.dirname(os.path.abspath(__file__))
MODES = ("native", "window", "full", "killed")
KEYS = ("build", "args", "stdin", "exit", "expect", "expect-stderr", "expect-mx", "modes",
        "report-allows")


class Program:
    """What a source says about how to run it and what it must print.

    Unknown keys and exclusions without a reason are errors: a mistyped directive must not
    weaken a test.
    """

    def __init__(self, name, folder=SOURCES):
        self.name = name
        lines = self._directives(folder)

        def texts(key):
            return [text for k, text in lines if k == key]

        def block(key):
            return "".join(text + "\n" for text in texts(key))

        self.args = [word for text in texts("args") for word in shlex.split(text)]
        self.stdin = block("stdin")
        self.exit = int(texts("exit")[-1]) if texts("exit") else 0
        self.expect = block("expect")
        self.expect_stderr = block("expect-stderr")
        self.expect_mx = block("expect-mx") if texts("expect-mx") else None
        self.modes, self.modes_reason = self._with_reason("modes", texts("modes"))
        self.report_allows, _ = self._with_reason("report-allows", texts("report-allows"))
        unknown = [mode for mode in self.modes if mode not in MODES]
        if unknown:
            raise ValueError(f"{name}: unknown mode {unknown[0]}")

    def _directives(self, folder):
        for extension in (".c", ".cpp"):
            path = os.path.join(folder, self.name + extension)
            if os.path.exists(path):
                break
        else:
            raise SystemExit(f"no program {self.name} in {folder}")
        lines = []
        with open(path) as source:
            next(source)  # what the program shows, in words
            for line in source:
                if not line.startswith("//"):
                    break
                match = re.match(r"// ([a-z-]+): ?(.*)\n", line)
                if match and match.group(1) not in KEYS:
                    raise ValueError(f"{path}: unknown directive '{match.group(1)}'")
                if match:
                    lines.append(match.groups())
        return lines

    def _with_reason(self, key, texts):
        words, reasons = [], []
        for text in texts:
            value, dashes, reason = text.partition(" -- ")
            if not dashes or not reason.strip():
                raise ValueError(f"{self.name}: '// {key}:' needs ' -- ' and a reason")
            words += value.split()
            reasons.append(reason)
        return words, "; ".join(reasons)
