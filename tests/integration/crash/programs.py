"""Builds of the programs of the crash set beside redis and lighttpd: from Debian's sources, with and without a bug of
patches/. Kept in the cache: a good build once, and for each bug a copy of it in which only what the patch changes is built.

As a command it builds all of them, or those named: crash/programs.py [PROGRAM[-BUG]…]
"""

import os
import pathlib
import shutil
import sys

import builds
import roots
from builds import FLAGS, JOBS, PATCHES
from mxtest.debian import made_once, run, source

RPATH = f"-Wl,-rpath,{roots.FOLDER}"
OWN = pathlib.Path(__file__).resolve().parent / "own"
# The build of one version must not be told from that of the other by the time or the folder.
QUIET = {**os.environ, "MAKEFLAGS": "", "SOURCE_DATE_EPOCH": "1600000000"}


def _sh(tree, *words, **more):
    run(words, cwd=tree, env={**QUIET, **more})


def _make(tree, *words):
    _sh(tree, "make", f"-j{JOBS}", *words)


# Each: configure(tree) once, make(tree) also after a patch, in a copy.

def _nginx_configure(tree):
    _sh(tree, "./configure", "--prefix=.", f"--with-cc-opt={FLAGS}", "--without-http_rewrite_module",
        "--without-http_gzip_module")


def _memcached_configure(tree):
    _sh(tree, "./configure", "--disable-docs", "--disable-dependency-tracking", f"CFLAGS={FLAGS}")


def _bash_configure(tree):
    _sh(tree, "./configure", "--without-bash-malloc", "--disable-nls", "--disable-readline", f"CFLAGS={FLAGS}")


def _sqlite_configure(tree):
    _sh(tree, "./configure", "--disable-tcl", "--disable-readline", "--disable-load-extension", "--disable-threadsafe")


def _sqlite_make(tree):
    """The library and its shell."""
    _make(tree, "sqlite3.c", "shell.c")
    options = [*FLAGS.split(), "-DSQLITE_THREADSAFE=0", "-DSQLITE_OMIT_LOAD_EXTENSION"]
    _sh(tree, "gcc", *options, "-fPIC", "-shared", "-Wl,-soname,libsqlite3.so.0", "-o", "libsqlite3.so.0", "sqlite3.c", "-lm")
    if not (tree / "sqlite3").exists():
        _sh(tree, "gcc", *options, "-I.", "-o", "sqlite3", "shell.c", "./libsqlite3.so.0", RPATH)


def _jsoncpp_make(tree):
    """The library and jsonlines, a program of our own that reads lines of JSON and writes them back."""
    flags, objects = [*FLAGS.split(), "-std=c++17", "-Iinclude"], []
    for file in sorted(p.relative_to(tree) for p in tree.glob("src/lib_json/*.cpp")):
        objects.append(file.with_suffix(".o"))
        if not (tree / objects[-1]).exists() or (tree / objects[-1]).stat().st_mtime < (tree / file).stat().st_mtime:
            _sh(tree, "g++", *flags, "-fPIC", "-c", "-o", objects[-1], file)
    _sh(tree, "g++", "-shared", "-Wl,-soname,libjsoncpp.so.25", "-o", "libjsoncpp.so.25", *objects)
    if not (tree / "jsonlines").exists():
        _sh(tree, "g++", *flags, "-o", "jsonlines", OWN / "jsonlines.cpp", "./libjsoncpp.so.25", RPATH)


# program: (Debian's source package, configure, make, the executable in the tree)
RECIPES = {
    "nginx": ("nginx", _nginx_configure, lambda tree: _make(tree, "-f", "objs/Makefile", "objs/nginx"), "objs/nginx"),
    "memcached": ("memcached", _memcached_configure, lambda tree: _make(tree, "memcached"), "memcached"),
    # (`sum` is a digest of the folder's name too: a copy would be built anew.)
    "dnsmasq": ("dnsmasq", None, lambda tree: _make(tree, f"CFLAGS={FLAGS}", "sum=0"), "src/dnsmasq"),
    "bash": ("bash", _bash_configure, lambda tree: _make(tree, "bash"), "bash"),
    "sqlite3": ("sqlite3", _sqlite_configure, _sqlite_make, "sqlite3"),
    "jsoncpp": ("libjsoncpp", None, _jsoncpp_make, "jsonlines"),
}


def _moved(tree, former):
    """Makefiles that hold the path of the folder in which they were made."""
    for makefile in tree.rglob("Makefile"):
        text = makefile.read_text(errors="surrogateescape")
        if str(former) in text:
            times = makefile.stat()
            makefile.write_text(text.replace(str(former), str(tree)), errors="surrogateescape")
            os.utime(makefile, (times.st_atime, times.st_mtime))


def tree_of(program, bug=None):
    """The folder of a built program; `bug` names a patch, None is the good one."""
    package, configure, make, _ = RECIPES[program]

    def build(folder):
        tree = folder / "tree"
        if bug:
            shutil.copytree(tree_of(program), tree, symlinks=True)   # keeps times
            _moved(tree, f"{builds.folder_of(program, None)}.part/tree")
            run(["patch", "-p1", "-i", builds.patch_file(program, bug)], cwd=tree)
        else:
            shutil.copytree(source(package), tree, symlinks=True)
            if configure:
                configure(tree)
        make(tree)
    return made_once(builds.folder_of(program, bug), build) / "tree"


def path_of(program, bug=None):
    """Path of the program, built when it has not been."""
    if program == "redis":
        return builds.redis(bug)
    if program == "lighttpd":
        return builds.lighttpd(bug)
    return str(tree_of(program, bug) / RECIPES[program][3])


def everything():
    """All pairs (program, bug) that there are patches for."""
    pairs = [tuple(path.stem.split("-", 1)) for path in sorted(PATCHES.glob("*.patch"))]
    return [(program, bug) for program, bug in pairs if (program, bug) != ("redis", "faults")]


if __name__ == "__main__":
    for name in sys.argv[1:] or ["-".join(pair) for pair in everything()]:
        print(path_of(*name.split("-", 1)), flush=True)
