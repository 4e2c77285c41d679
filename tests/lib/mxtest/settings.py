"""What the environment says about this run of the tests.

MX_BIN         path of `mx`; empty or unset: only native runs are made
MX_MODES       the modes to test beside native, separated by commas (default: window,full). "again" is a second native
               run: it shows whether a scenario gives the same result each time
MX_TEST_CACHE  where downloads and builds are kept between runs (default: build/cache of this repository)
MX_TEST_TMP    where the runs work (default: /tmp); the folder of a failed run stays there
"""

import os
import pathlib

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
LIB = REPOSITORY / "tests" / "lib"


def mx():
    """Path of mx, or None when the tests run natively only."""
    return os.environ.get("MX_BIN") or None


def modes():
    """The lockstep modes to test beside native."""
    chosen = os.environ.get("MX_MODES", "window,full").split(",")
    return [m for m in chosen if m == "again" or (m and mx())]


def cache():
    """Folder for downloads and builds; made when missing."""
    path = pathlib.Path(os.environ.get("MX_TEST_CACHE") or REPOSITORY / "build" / "cache")
    path.mkdir(parents=True, exist_ok=True)
    return path


def temporary():
    return pathlib.Path(os.environ.get("MX_TEST_TMP", "/tmp"))
