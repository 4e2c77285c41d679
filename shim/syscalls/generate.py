#!/usr/bin/env python3
"""Turns syscalls.table into C++ data and into docs/syscalls.md.

  generate.py TABLE --cpp DIR      writes DIR/{numbers,structs,handlers,descriptions,forms,asserts}.inc
  generate.py TABLE --docs FILE    writes the documentation
  generate.py TABLE --docs FILE --check    exit status 1 if FILE is not what would be written
"""

import argparse
import difflib
import os
import sys

sys.dont_write_bytecode = True

import document  # noqa: E402
import table as model  # noqa: E402

HEADER = "// Generated from shim/syscalls/syscalls.table by generate.py. Do not edit.\n"


def camel(name):
    """rt_sigaction -> RtSigaction"""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


WORDS = {"newfd": "NewFd", "dirfd": "DirFd", "inout": "InOut"}


def constant(name):
    return "k" + WORDS.get(name, camel(name))


def numbers(table):
    return "".join(f"{constant(call.name)} = {call.nr},\n" for call in table.calls)


def structs(table):
    rows = (f"MX_SYSCALL_STRUCT({constant(s.name)}, {s.size}, {s.ctype})\n" for s in table.structs.values())
    return "".join(rows)


def asserts(table):
    """Compares each number with the system's headers, as far as these know the call; used by the unit test."""
    rows = (f"#ifdef SYS_{c.name}\nMX_SYSCALL_ASSERT({constant(c.name)}, SYS_{c.name})\n#endif\n" for c in table.calls)
    return "".join(rows)


def handlers(table):
    rows = (f"MX_SYSCALL_HANDLER({constant(c.name)}, {c.name})\n" for c in table.calls if "handler" in c.attributes)
    return "".join(rows)


def mask(call, kinds):
    return sum(1 << i for i, arg in enumerate(call.args) if arg.kind in kinds)


def compared_values(call):
    return sum(1 << i for i, arg in enumerate(call.args) if arg.kind in model.VALUES and arg.compare)


def argument(arg):
    return "{%s, %s, %d, %s, %s, %s, %d}" % (
        f"ArgKind::{constant(arg.kind)}",
        f"SizeRule::k{arg.rule}",
        arg.size_arg,
        f"Written::{constant(arg.written)}",
        "true" if arg.compare else "false",
        f"Struct::{constant(arg.struct) if arg.struct else 'kNone'}",
        arg.size,
    )


def description(call):
    attributes = " | ".join(f"attr::{constant(a)}" for a in call.attributes) or "0"
    args = ",\n   ".join(argument(a) for a in call.args)
    inputs = mask(call, model.READ + model.STRINGS + ["inout"])
    outputs = mask(call, model.WRITTEN + ["inout"])
    return (
        f'{{"{call.name}", {attributes}, {call.nr}, Treatment::{constant(call.treatment)}, '
        f"RetKind::{constant(call.result)}, {len(call.args)}, {call.first_arg('fd', 'dirfd')}, "
        f"{call.first_arg('path')}, {compared_values(call)}, {inputs}, {outputs},\n  {{{args}}}}},\n"
    )


def descriptions(table):
    return "".join(description(call) for call in table.calls)


def forms(table):
    """What calls the kernel defines as the same operation: see forms.h."""
    by_name = {call.name: call for call in table.calls}

    def row(call):
        sources = ", ".join("{Source::%s, %d, %d}" % (constant(k), max(i, 0), v) for k, i, v in call.form.sources)
        return f"{{{call.nr}, {by_name[call.form.normal].nr}, {{{sources}}}}},\n"

    return "".join(row(call) for call in table.calls if call.form)


def write_if_changed(path, text):
    """Leaves the time stamp alone when nothing changed, so that nothing is rebuilt."""
    try:
        with open(path, encoding="utf-8") as old:
            if old.read() == text:
                return
    except FileNotFoundError:
        pass
    with open(path, "w", encoding="utf-8") as new:
        new.write(text)


def write_cpp(table, folder):
    os.makedirs(folder, exist_ok=True)
    parts = {"numbers": numbers, "structs": structs, "handlers": handlers}
    parts |= {"descriptions": descriptions, "forms": forms, "asserts": asserts}
    for name, make in parts.items():
        write_if_changed(os.path.join(folder, name + ".inc"), HEADER + make(table))


def check(path, text):
    """True if the file holds exactly this text; prints the difference if not."""
    with open(path, encoding="utf-8") as stored:
        old = stored.read()
    if old == text:
        return True
    sys.stdout.writelines(difflib.unified_diff(old.splitlines(True), text.splitlines(True), path, "generated"))
    print(f"{path} is not what the table says: run shim/syscalls/generate.py --docs", file=sys.stderr)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table")
    parser.add_argument("--cpp", metavar="DIR")
    parser.add_argument("--docs", metavar="FILE")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    try:
        table = model.parse(options.table)
    except model.TableError as error:
        sys.exit(f"{error}")
    if options.cpp:
        write_cpp(table, options.cpp)
    if options.docs:
        text = document.markdown(table)
        if options.check:
            return 0 if check(options.docs, text) else 1
        write_if_changed(options.docs, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
