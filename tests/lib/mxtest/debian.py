"""Releases and sources of programs from the Debian mirrors this machine uses, kept in the cache.

Also a command: python3 -m mxtest.debian redis  prints the folders of the two releases that Debian serves.
"""

import fcntl
import functools
import os
import pathlib
import shutil
import subprocess
import sys
import time

from . import settings


def run(command, **more):
    """Runs a command quietly; raises with its output when it fails."""
    done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, **more)
    if done.returncode:
        raise RuntimeError(f"{command} failed with status {done.returncode}:\n{done.stdout.decode(errors='replace')[-8000:]}")
    return done.stdout.decode(errors="replace")


@functools.cache
def apt_environment():
    """The environment for apt commands: a private configuration with source packages (see private-apt.sh)."""
    return _apt_environment()


def _apt_environment(*again):
    config = run([settings.LIB / "private-apt.sh", settings.cache() / "apt", *again]).strip().splitlines()[-1]
    return {**os.environ, "APT_CONFIG": config}


def _in_rounds(attempt):
    """attempt(), up to three times: a mirror changes while a list of its files is in use, and it has bad moments. The lists are
    fetched anew in between."""
    for pause in (5, 30):
        try:
            return attempt()
        except RuntimeError as error:
            print(f"again in {pause} s: {error}", file=sys.stderr, flush=True)
            time.sleep(pause)
            try:
                _apt_environment("again")
            except RuntimeError as lists:
                print(lists, file=sys.stderr, flush=True)
    return attempt()


def made_once(folder, make):
    """Returns `folder`, made by make(temporary folder) if it does not exist. Safe with several processes; a failed or
    interrupted make leaves nothing."""
    folder = pathlib.Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{folder}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            part = folder.with_name(folder.name + ".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
    return folder


def served(package):
    """The versions of a package that the mirrors serve, oldest first."""
    lines = run(["apt-cache", "madison", package], env=apt_environment()).splitlines()
    return _sorted({fields[1].strip() for fields in (line.split("|") for line in lines) if "Packages" in fields[2]})


def _sorted(versions):
    def compare(a, b):
        return -1 if subprocess.run(["dpkg", "--compare-versions", a, "lt", b], check=False).returncode == 0 else 1
    return sorted(versions, key=functools.cmp_to_key(compare))


def release(packages, version):
    """The folder with these binary packages of one version, unpacked over each other."""
    def make(folder):
        _in_rounds(lambda: run(["apt-get", "download", "-qq", *(f"{p}={version}" for p in packages)],
                               env=apt_environment(), cwd=folder))
        for package in folder.glob("*.deb"):
            run(["dpkg-deb", "-x", package, folder])
            package.unlink()
    name = f"{packages[0]}-{version}".replace(":", "_").replace("~", "_")
    return made_once(settings.cache() / "releases" / name, make)


def two_releases(*packages):
    """The folders of the oldest and the newest release served. They are the same one when only one is served."""
    versions = served(packages[0])
    return release(packages, versions[0]), release(packages, versions[-1])


def source(package):
    """The folder of the unpacked source of a package, Debian's patches applied: the newest that a mirror has (one may name
    a version whose files it does not hold yet)."""
    def newest(folder):
        listed = run(["apt-cache", "showsrc", package], env=apt_environment()).splitlines()
        versions = _sorted({line.split()[1] for line in listed if line.startswith("Version:")})
        error = RuntimeError(f"no mirror lists a source package {package}")
        for version in reversed(versions):
            try:
                run(["apt-get", "source", "-qq", f"{package}={version}"], env=apt_environment(), cwd=folder)
                return
            except RuntimeError as failed:
                error = failed
        raise error

    def make(folder):
        _in_rounds(lambda: newest(folder))
    folder = made_once(settings.cache() / "sources" / package, make)
    return next(path for path in folder.iterdir() if path.is_dir())


def redis_servers():
    """Paths of redis-server of the two releases."""
    return [str(folder / "usr/bin/redis-server") for folder in two_releases("redis-server", "redis-tools")]


def redis_tool(name):
    """Path of redis-cli, redis-benchmark … of the newest release."""
    return redis_servers()[1].rpartition("/")[0] + "/" + name


if __name__ == "__main__":
    print("\n".join(str(path) for path in two_releases(*sys.argv[1:])))
