#!/usr/bin/env python3
"""Turns the linked agent into the bytes that go into the arena, and the addresses the monitor needs.

usage: image.py AGENT-ELF OUT.bin OUT.inc
The image is text, then data (with .bss as zeros), each page aligned. Fails on undefined symbols."""
import struct
import sys

elf = open(sys.argv[1], "rb").read()
shoff, = struct.unpack_from("<Q", elf, 0x28)
phoff, = struct.unpack_from("<Q", elf, 0x20)
phentsize, phnum, shentsize, shnum = struct.unpack_from("<HHHH", elf, 0x36)

parts = []
for i in range(phnum):
    kind, _, offset, vaddr, _, filesz, memsz, _ = struct.unpack_from("<IIQQQQQQ", elf, phoff + i * phentsize)
    if kind == 1 and memsz:
        body = elf[offset:offset + filesz] + b"\0" * (memsz - filesz)
        parts.append((vaddr, body + b"\0" * (-len(body) % 4096)))
parts.sort()
TEXT, DATA = 0x1e0000010000, 0x1e0000100000
END = 0x1e0000160000  # the first thread's block: stream/layout.h
assert [p[0] for p in parts] == [TEXT, DATA], [hex(p[0]) for p in parts]
assert TEXT + len(parts[0][1]) <= DATA and DATA + len(parts[1][1]) <= END, "the agent has outgrown its place"

symbols = {}
for i in range(shnum):
    name, kind, _, _, offset, size, link, _, _, entsize = struct.unpack_from("<IIQQQQIIQQ", elf, shoff + i * shentsize)
    if kind != 2:
        continue
    strtab, = struct.unpack_from("<Q", elf, shoff + link * shentsize + 0x18)
    for at in range(offset, offset + size, entsize):
        st_name, info, _, shndx, value, _ = struct.unpack_from("<IBBHQQ", elf, at)
        text = elf[strtab + st_name:elf.index(b"\0", strtab + st_name)].decode()
        if shndx == 0 and text:
            sys.exit(f"agent: undefined symbol {text}")
        symbols[text] = value

with open(sys.argv[2], "wb") as f:
    for _, body in parts:
        f.write(body)
with open(sys.argv[3], "w") as f:
    f.write(f"inline constexpr uint64_t kTextSize = {len(parts[0][1])};\n")
    f.write(f"inline constexpr uint64_t kDataSize = {len(parts[1][1])};\n")
    for name in ("mx_start", "mx_boot_begin", "mx_boot_info", "mx_boot_end"):
        f.write(f"inline constexpr uint64_t k_{name} = {symbols[name]:#x};\n")
