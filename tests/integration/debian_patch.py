"""What one patch of a Debian source changes: its files, and, by the compiler's own word (the assembly that it writes), which
functions."""

import os
import re
import subprocess


def series(tree):
    """The names of the patches, in the order in which they were applied."""
    lines = (tree / "debian/patches/series").read_text().split()
    return [line for line in lines if not line.startswith("#")]


def reverses(tree, name):
    """Can this patch be taken out alone?"""
    command = ["patch", "-R", "-p1", "--dry-run", "-f", "-i", str(tree / "debian/patches" / name)]
    return subprocess.run(command, cwd=tree, stdout=subprocess.DEVNULL, check=False).returncode == 0


def files(tree, name, pattern):
    """What the patch changes, tests left out; empty when it changes a file whose path is not like the pattern."""
    text = (tree / "debian/patches" / name).read_text(errors="replace")
    found = [f for f in re.findall(r"^\+\+\+ b?/?(\S+)", text, re.MULTILINE) if not f.startswith("tests/")]
    return found if all(re.fullmatch(pattern, f) for f in found) else []


def differing(old_tree, new_tree, changed_files, make):
    """Names of the functions whose assembly differs. `make` is the command that builds both trees."""
    found = set()
    for file in changed_files:
        old, new = (_functions(_assembly(tree, file, make)) for tree in (old_tree, new_tree))
        found |= {name for name in {*old, *new} if old.get(name) != new.get(name)}
    return found


def _assembly(tree, file, make):
    """What the compiler makes of one file, with the options that make gives it."""
    folder, _, source = file.rpartition("/")
    folder = tree / folder
    words = [*make, source.removesuffix(".c") + ".o"]
    environment = {**os.environ, "MAKEFLAGS": ""}
    shown = subprocess.run([words[0], "-n", "-B", *words[1:]], cwd=folder, env=environment, capture_output=True, text=True,
                           check=True).stdout
    command = next(line for line in reversed(shown.splitlines()) if re.search(rf" -c\b.* {re.escape(source)}\b", line))
    command = re.sub(r" -o \S+| -MMD| -g\S*", "", command.rpartition(";")[2]).replace(" -c", " -S -g0 -o -", 1)
    return subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True).stdout


def _functions(assembly):
    """{name: code, without what the compiler numbers}. A cold part belongs to its function."""
    text = dict(re.findall(r"^(\.LC\d+):\n((?:\t\.(?:string|long|quad|ascii|value|byte).*\n)+)", assembly, re.MULTILINE))
    found = {}
    for name, body in re.findall(r"^([\w.$]+):\n((?:.*\n)*?)\t\.size\t\1, ", assembly, re.MULTILINE):
        if not re.search(rf"^\t\.type\t{re.escape(name)}, @function", assembly, re.MULTILINE):
            continue
        numbers = {}
        body = re.sub(r"\.LC\d+", lambda m: text.get(m[0], m[0]), body)
        body = re.sub(r"\.L\w*?\d+", lambda m: f".L{numbers.setdefault(m[0], len(numbers))}", body)
        body = re.sub(r"\b(\w+)\.\d+\b", r"\1", body)       # static variables inside functions
        name = re.sub(r"\.cold$", "", name)
        found[name] = found.get(name, "") + body
    return found
