"""Runs a command under a seccomp filter that refuses system calls with EPERM: refuse.py CALL[:FIRST-ARGUMENT],… COMMAND…"""

import ctypes
import errno
import os
import sys

ALLOW, ERRNO, EQUAL = 0x7fff0000, 0x00050000, 4     # seccomp.h


class Compare(ctypes.Structure):
    _fields_ = [("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64)]


def refuse(rules):
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    rights = ctypes.c_void_p(library.seccomp_init(ALLOW))
    for rule in rules:
        name, _, first = rule.partition(":")
        call = library.seccomp_syscall_resolve_name(name.encode())
        compares = (Compare * 1)(Compare(0, EQUAL, int(first or 0), 0))
        assert library.seccomp_rule_add_array(rights, ERRNO | errno.EPERM, call, 1 if first else 0, compares) == 0
    assert library.seccomp_load(rights) == 0


if __name__ == "__main__":
    refuse(sys.argv[1].split(","))
    os.execv(sys.argv[2], sys.argv[2:])
