#!/usr/bin/python3
"""Makes a running program crash, whatever it is: ruin.py PID fills the code of its executable, in this one process, with HLT
instructions, which only the kernel may execute. Whatever it runs next of its own code is a fault."""
import os
import sys


def main():
    pid = int(sys.argv[1])
    program = os.stat(f"/proc/{pid}/exe").st_ino
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps, open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        for line in maps:
            place, rights, _, _, inode = line.split()[:5]
            if "x" in rights and int(inode) == program:
                start, end = (int(word, 16) for word in place.split("-"))
                memory.seek(start)
                memory.write(b"\xf4" * (end - start))


main()
