"""Two views of this system's root, one for each version, that differ in /usr/local/lib: there each finds its own library at
the same path, as an update of a package leaves it. Made of bind mounts in a mount namespace of the test's program alone."""

import ctypes
import os
import shutil

FOLDER = "/usr/local/lib/crash-set"
_NEWNS, _BIND, _REC, _PRIVATE = 0x20000, 4096, 16384, 1 << 18
_libc = ctypes.CDLL(None, use_errno=True)


def _mount(source, target, kind, flags):
    if _libc.mount(source.encode(), str(target).encode(), kind, flags, None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {source} on {target}")


def enter(base, libraries):
    """For a child before it becomes the program: a new mount namespace with a root in base/old and base/new; `libraries`
    has the files of the old and of the new version."""
    if _libc.unshare(_NEWNS) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    _mount("none", "/", None, _REC | _PRIVATE)
    for version, files in zip(("old", "new"), libraries):
        root = f"{base}/{version}"
        os.makedirs(root, exist_ok=True)
        _mount("/", root, None, _BIND | _REC)
        _mount("tmpfs", root + os.path.dirname(FOLDER), b"tmpfs", 0)
        os.mkdir(root + FOLDER)
        for file in files:
            shutil.copy2(file, root + FOLDER)


def options(base):
    return ["--old-root", f"{base}/old", "--new-root", f"{base}/new"]
