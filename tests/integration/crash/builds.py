"""Servers built from Debian's sources, with and without the bugs of patches/. Builds are kept in the cache.

As a command it builds all of them: crash/builds.py
"""

import hashlib
import os
import pathlib
import re
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "lib"))

from mxtest import settings  # noqa: E402
from mxtest.debian import made_once, run, source  # noqa: E402

PATCHES = pathlib.Path(__file__).resolve().parent / "patches"
JOBS = str(min(4, os.cpu_count() or 1))
# How the compiler is called. Another way than the usual one has folders of its own in the cache.
USUAL = "-O2 -g"
FLAGS = os.environ.get("MX_CRASH_FLAGS", USUAL)
# redis puts its git commit and the time of the build into the program: they must not tell the builds apart.
QUIET = {**os.environ, "MAKEFLAGS": "", "GIT_DIR": "/nonexistent", "SOURCE_DATE_EPOCH": "1600000000"}


def redis_tree(bug=None):
    """The source folder of a built redis; `bug` names a patch ("hmget", "faults"), None is the good one."""
    def make(folder):
        tree = folder / "redis"
        if bug:
            shutil.copytree(redis_tree(), tree, symlinks=True)      # keeps times: only what the patch changes is built
            run(["patch", "-p1", "-i", patch_file("redis", bug)], cwd=tree)
            if "+++ b/deps/lua" in patch_file("redis", bug).read_text():    # redis makes its deps once only
                run(["make", "-C", "deps", "lua"], cwd=tree, env=QUIET)
                (tree / "src/redis-server").unlink()
        else:
            shutil.copytree(source("redis"), tree, symlinks=True)
        _make_redis(tree, "redis-server", "redis-cli", "redis-benchmark")
    return made_once(folder_of("redis", bug), make) / "redis"


def redis(bug=None):
    """Path of redis-server (-O2 -g, libc's malloc)."""
    return str(redis_tree(bug) / "src" / "redis-server")


def redis_tree_without(patch):
    """The source folder of a redis built like redis(), without one patch of Debian's."""
    def make(folder):
        tree = folder / "redis"
        shutil.copytree(redis_tree(), tree, symlinks=True)
        run(["patch", "-R", "-p1", "-i", tree / "debian/patches" / patch], cwd=tree)
        _make_redis(tree, "redis-server")
    name = re.sub(r"\W+", "_", patch)
    return made_once(settings.cache() / "crash" / f"redis-without-{name}", make) / "redis"


def unzip_tree():
    """The source folder of a built unzip: small, with a long series of patches, and built in seconds."""
    def make(folder):
        shutil.copytree(source("unzip"), folder / "unzip", symlinks=True)
        _make_unzip(folder / "unzip")
    return made_once(settings.cache() / "crash" / "unzip", make) / "unzip"


def unzip_tree_without(patch, folder):
    """The same without one patch of Debian's, built in the folder."""
    tree = pathlib.Path(folder) / re.sub(r"\W+", "_", patch)
    shutil.copytree(unzip_tree(), tree, symlinks=True)      # keeps times: only what the patch changes is built
    run(["patch", "-R", "-p1", "-i", tree / "debian/patches" / patch], cwd=tree)
    _make_unzip(tree)
    return tree


UNZIP_FLAGS = ("-O2 -g -w -I. -DUNIX -DLARGE_FILE_SUPPORT -DUNICODE_SUPPORT -DUNICODE_WCHAR -DUTF8_MAYBE_NATIVE -DNO_LCHMOD "
               "-D_FILE_OFFSET_BITS=64 -DHAVE_DIRENT_H -DHAVE_TERMIOS_H")
MAKE_UNZIP = ["make", "-f", "unix/Makefile", "CC=gcc", f"CF={UNZIP_FLAGS}", "LF2="]
MAKE_REDIS = ["make", "MALLOC=libc", "BUILD_TLS=no", "USE_SYSTEMD=no", "OPTIMIZATION=-O2"]      # in its folder src


def _make_unzip(tree):
    run([*MAKE_UNZIP, f"-j{JOBS}", "unzip"], cwd=tree, env=QUIET)


def _make_redis(tree, *targets):
    run([*MAKE_REDIS, f"-j{JOBS}", *targets], cwd=tree / "src", env=QUIET)


def lighttpd(bug=None):
    """Path of lighttpd; `bug` names a patch ("etag")."""
    final = folder_of("lighttpd", bug)

    def make(folder):
        tree = folder / "lighttpd"
        shutil.copytree(source("lighttpd"), tree, symlinks=True)
        if bug:
            run(["patch", "-p1", "-i", patch_file("lighttpd", bug)], cwd=tree)
        run(["cmake", "-G", "Ninja", "-S", tree, "-B", folder / "build", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
             f"-DCMAKE_C_FLAGS=-ffile-prefix-map={tree}=.",       # its log lines name the source file
             f"-DCMAKE_INSTALL_PREFIX={final}/installed", "-DWITH_PCRE=OFF", "-DWITH_PCRE2=OFF", "-DWITH_ZLIB=OFF",
             "-DWITH_BZIP=OFF"], env=QUIET)
        run(["ninja", "-C", folder / "build", f"-j{JOBS}", "install"], env={**QUIET, "DESTDIR": str(folder / "dest")})
        (folder / "dest" / str(final).lstrip("/") / "installed").rename(folder / "installed")
        shutil.rmtree(folder / "dest")
    return str(made_once(final, make) / "installed/sbin/lighttpd")


# Raised when the way a program is built changes.
_RECIPE = {"lighttpd": "-2"}


def patch_file(program, bug):
    """The patch that puts a bug back."""
    return PATCHES / f"{program}-{bug}.patch"


def folder_of(program, bug):
    """The folder's name holds a digest of the patch, so that a changed patch is built anew."""
    digest = "-" + hashlib.sha256(patch_file(program, bug).read_bytes()).hexdigest()[:8] if bug else ""
    flags = "" if FLAGS == USUAL else FLAGS.replace(" ", "")
    return settings.cache() / "crash" / f"{program}-{bug or 'good'}{digest}{_RECIPE.get(program, '')}{flags}"


if __name__ == "__main__":
    for path in (redis(), redis("hmget"), redis("faults"), lighttpd(), lighttpd("etag")):
        print(path)
