"""Folders of files: making a large one, and describing one for a comparison."""

import hashlib
import os
import pathlib
import random
import stat


def describe(folder, times=False):
    """A list of text lines, one for each entry below `folder`: type, mode, links, size, digest or target."""
    folder, lines = pathlib.Path(folder), []
    for path in sorted(folder.rglob("*")):
        info = path.lstat()
        what = stat.filemode(info.st_mode)
        if path.is_symlink():
            more = "-> " + os.readlink(path)
        elif path.is_file():
            more = f"{info.st_nlink} {info.st_size} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"
        else:
            more = ""
        lines.append(f"{path.relative_to(folder)} {what} {more}{f' {info.st_mtime_ns}' if times else ''}".rstrip())
    return lines


def make(folder, files=2000, seed=1):
    """Makes a tree of `files` files of 0 to 8 KiB in nested folders, with links, the same for the same seed."""
    folder, dice = pathlib.Path(folder), random.Random(seed)
    folders = [folder]
    folder.mkdir(parents=True, exist_ok=True)
    words = [f"word{n}" for n in range(500)]
    for n in range(files):
        if n % 20 == 0:
            deeper = dice.choice(folders) / f"dir{n}"
            deeper.mkdir()
            folders.append(deeper)
        path = dice.choice(folders) / f"file{n}.{dice.choice(['txt', 'c', 'log', 'dat'])}"
        path.write_text(" ".join(dice.choices(words, k=dice.randint(0, 1000))) + "\n")
        os.utime(path, (1_600_000_000 + n, 1_600_000_000 + n))
        if n % 50 == 0:
            os.symlink(path.name, path.with_suffix(".link"))
            os.utime(path.with_suffix(".link"), (1_600_000_000, 1_600_000_000), follow_symlinks=False)
            os.link(path, path.with_suffix(".hard"))
    for path in folders:
        os.utime(path, (1_600_000_000, 1_600_000_000))
