"""Scenarios: each is run natively, then under mx in each mode, and must give the same result.

    class Sort(ProgramTest):
        @scenario("window", "full")
        def threads(self, box):
            return {"output": box.run(["sort", "--parallel=4", FILE]).checked().out}

makes the tests test_threads_native, test_threads_window and test_threads_full.
"""

import os
import pathlib
import shutil
import sys
import tempfile
import unittest

from . import settings
from .box import AGAIN, NATIVE, Box
from .process import adopt_orphans


def scenario(*modes, allow=()):
    """Marks a method as a scenario for these modes (default: window). `allow`: report events that are no failure."""
    def mark(function):
        function.modes, function.allow = modes or ("window",), allow
        return function
    return mark


class ProgramTest(unittest.TestCase):
    """Base of the tests of real programs; turns scenarios into tests."""

    maxDiff = None
    more_allowed = ()       # of every scenario: events in the report that are no failure
    _native = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._native = {}
        for name, function in list(vars(cls).items()):
            if hasattr(function, "modes"):
                for mode in (NATIVE, *(m for m in settings.modes() if m in (*function.modes, AGAIN))):
                    setattr(cls, f"test_{name}_{mode}", _test(function, mode))

    def pairs(self):
        """See Box; a class may have some."""
        return {}

    def run_in(self, function, mode):
        """One run of a scenario; returns its result. The folder of a failed run is kept."""
        base = settings.temporary() / "mx-tests" / str(os.getpid())
        folder = base / f"{type(self).__name__}.{function.__name__}"
        shutil.rmtree(folder, ignore_errors=True)
        box = Box(folder, mode, {*function.allow, *self.more_allowed}, self.pairs())
        try:
            try:
                result = function(self, box)
            finally:
                box.finish()
        except BaseException:
            kept = tempfile.mkdtemp(prefix=f"mx-failed-{function.__name__}-{mode}-", dir=settings.temporary())
            for path in (folder, box._logs):
                shutil.copytree(path, f"{kept}/{path.name}", symlinks=True, ignore=_no_sockets)
            print(f"\nThe folder of the failed run ({mode}) is kept: {kept}\nIt ran:\n{box.replay()}", file=sys.stderr)
            raise
        finally:
            box.remove()
        return result

    def compare(self, native, result):
        """Results are dicts from a name to any value; each must be equal."""
        self.assertEqual(list(native), list(result))
        for name, value in native.items():
            if isinstance(value, bytes):
                self.assertMultiLineEqual(_readable(value), _readable(result[name]), f"{name} differs from native")
            self.assertEqual(value, result[name], f"{name} differs from native")


def _test(function, mode):
    def test(self):
        if function.__name__ not in self._native:
            self._native[function.__name__] = self.run_in(function, NATIVE) or {}
        if mode != NATIVE:
            self.compare(self._native[function.__name__], self.run_in(function, mode) or {})
    test.__doc__ = function.__doc__
    return test


def _readable(data):
    return data.decode("utf-8", "backslashreplace")


def _no_sockets(folder, names):
    paths = [(pathlib.Path(folder) / name, name) for name in names]
    return [name for path, name in paths if not (path.is_file() or path.is_dir() or path.is_symlink())]


def main():
    adopt_orphans()
    unittest.main(verbosity=2)
