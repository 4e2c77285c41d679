"""Reads syscalls.table into a list of calls, and refuses what does not add up."""

import re
from dataclasses import dataclass, field

TREATMENTS = ["local", "both", "leader", "newfd", "file", "query", "process", "signal", "refuse"]
ATTRIBUTES = ["blocking", "restart", "timeout", "sigmask", "modifies", "handler", "absent", "noreturn", "tells"]
RESULTS = ["int", "long", "size", "off", "fd", "pid", "uint", "addr", "none"]

VALUES = ["int", "uint", "long", "ulong", "size", "off", "hex", "flags", "mode", "cmd", "fd", "dirfd", "pid", "sig"]
OPAQUE = ["ptr", "cookie", "any"]
STRINGS = ["path", "str", "strv"]
READ = ["in", "iov_in", "msg_in", "mmsg_in"]
WRITTEN = ["out", "iov_out", "msg_out", "mmsg_out", "fds_out"]
KINDS = ["none"] + VALUES + OPAQUE + STRINGS + READ + WRITTEN + ["inout"]

# Kinds whose size is that of the array of headers itself: a count of elements stands in the brackets.
ELEMENT = {"iov_in": 16, "iov_out": 16, "mmsg_in": 64, "mmsg_out": 64}
FIXED = {"msg_in": 56, "msg_out": 56}

NO_ARG = 255
FIRST_GAP, LAST_GAP = 336, 423
LAST = 462


class TableError(Exception):
    """The table contradicts itself; the text names the line."""


@dataclass
class Struct:
    name: str
    size: int
    ctype: str


@dataclass
class Arg:
    name: str
    kind: str
    size_text: str = ""
    rule: str = "None"
    size_arg: int = NO_ARG
    size: int = 0
    struct: str = ""
    compare: bool = True
    written: str = "success"
    size_arg_name: str = ""


@dataclass
class Form:
    """The same operation as another call: where each of that call's arguments comes from."""
    normal: str
    sources: list  # (kind, index of an own argument or -1, constant)


@dataclass
class Call:
    nr: int
    name: str
    treatment: str
    attributes: list
    result: str
    args: list
    family: str
    notes: list = field(default_factory=list)
    form: Form = None
    form_text: str = ""

    def first_arg(self, *kinds):
        """Index of the first argument of one of the kinds, or -1."""
        return next((i for i, a in enumerate(self.args) if a.kind in kinds), -1)


@dataclass
class Table:
    structs: dict
    families: list
    calls: list


def parse(path):
    """The whole table, checked: every number of Linux 6.12 once, sorted by number."""
    structs, families, calls = {}, [], []
    with open(path, encoding="utf-8") as source:
        for line_number, line in enumerate(source, 1):
            try:
                parse_line(line.rstrip("\n"), structs, families, calls)
            except (TableError, ValueError) as error:
                raise TableError(f"{path}:{line_number}: {error}") from error
    calls.sort(key=lambda call: call.nr)
    check_forms(calls)
    check_complete(calls)
    return Table(structs, families, calls)


def parse_line(line, structs, families, calls):
    text = line.strip()
    if not text or text.startswith("#"):
        return
    if text.startswith("struct "):
        _, name, size, ctype = text.split(None, 3)
        structs[name] = Struct(name, int(size), ctype)
    elif text.startswith("["):
        families.append(text[1:-1])
    elif text.startswith("|"):
        calls[-1].notes.append(text[1:].strip())
    elif text.startswith("="):
        calls[-1].form = parse_form(text[1:].split(), calls[-1])
        calls[-1].form_text = f"{calls[-1].form.normal}({', '.join(text[1:].split()[1:])})"
    else:
        calls.append(parse_call(text, families[-1], structs))


def parse_call(text, family, structs):
    left, _, right = text.partition(" : ")
    nr, name, treatment, *attributes = left.split()
    result, *arg_texts = right.split()
    require(treatment in TREATMENTS, f"no treatment '{treatment}'")
    for attribute in attributes:
        require(attribute in ATTRIBUTES, f"no attribute '{attribute}'")
    require(result in RESULTS, f"no result kind '{result}'")
    require(len(arg_texts) <= 6, "more than six arguments")
    require(len(name) <= 23, "a name of more than 23 characters")
    if treatment in ("process", "signal") and "handler" not in attributes:
        raise TableError(f"{name}: '{treatment}' needs a handler")
    args = [parse_arg(a, structs) for a in arg_texts]
    names = [a.name for a in args]
    for index, arg in enumerate(args):
        resolve(arg, index, args, names)
    return Call(int(nr), name, treatment, attributes, result, args, family)


ARG = re.compile(r"^(?P<name>\w+):(?P<kind>\w+)(\[(?P<size>[^\]]+)\])?(?P<opaque>\?)?(@(?P<written>\w+))?$")


def parse_arg(text, structs):
    match = ARG.match(text)
    require(match, f"cannot read the argument '{text}'")
    kind = match["kind"]
    require(kind in KINDS, f"no argument kind '{kind}'")
    arg = Arg(match["name"], kind, match["size"] or "")
    arg.compare = not match["opaque"] and kind not in OPAQUE + WRITTEN
    arg.written = match["written"] or "success"
    require(arg.written in ("success", "positive", "always", "error"), f"'{text}': no moment '{arg.written}'")
    needs_size = kind in READ + WRITTEN + ["inout"] and kind not in FIXED
    require(needs_size == bool(arg.size_text), f"'{text}': a size is " + ("missing" if needs_size else "not wanted"))
    if arg.size_text:
        parse_size(arg, structs)
    if kind in FIXED:
        arg.rule, arg.size = "Fixed", FIXED[kind]
    if kind in ELEMENT:
        require(arg.rule in ("Arg", "Ret"), f"'{text}': wants a count")
        arg.rule, arg.size = arg.rule + "Times", ELEMENT[kind]
    return arg


SIZE = re.compile(r"^(?P<base>\*?\w+|bits\(\w+\))(?P<op>[*+])?(?P<by>\w+)?(<(?P<cap>\w+))?$")


def parse_size(arg, structs):
    """Fills rule, size and the name of the argument that the size depends on."""
    match = SIZE.match(arg.size_text)
    require(match, f"cannot read the size '{arg.size_text}'")
    base, op, by, cap = match["base"], match["op"], match["by"], match["cap"]
    if by in structs:
        arg.struct = by
    number = (structs[by].size if by in structs else int(by)) if by else 0
    if base in structs or base.isdigit():
        arg.struct = base if base in structs else ""
        unit = structs[base].size if base in structs else int(base)
        arg.rule, arg.size = "Fixed", unit * (number or 1)
        return
    suffix = {None: "", "*": "Times", "+": "Plus"}[op]
    arg.size = number
    arg.size_arg_name = cap or ""
    if base.startswith("bits("):
        arg.rule, arg.size_arg_name = "Bits", base[5:-1]
    elif base.startswith("*"):
        arg.rule, arg.size_arg_name = "ValueAt", base[1:]
    elif base == "self":
        arg.rule = "Self"
    elif base == "ret":
        arg.rule = "Ret" + suffix
    else:
        arg.rule, arg.size_arg_name = "Arg" + suffix, base


def resolve(arg, index, args, names):
    """Turns the name of another argument into its index; gives a path its directory."""
    if arg.size_arg_name:
        require(arg.size_arg_name in names, f"'{arg.name}': no argument '{arg.size_arg_name}'")
        arg.size_arg = names.index(arg.size_arg_name)
    if arg.kind == "path" and index > 0 and args[index - 1].kind == "dirfd":
        arg.size_arg = index - 1


NAMED = {"AT_FDCWD": -100, "AT_SYMLINK_NOFOLLOW": 0x100, "AT_REMOVEDIR": 0x200, "AT_EMPTY_PATH": 0x1000,
         "O_CREAT|O_WRONLY|O_TRUNC": 0o1101, "SIGCHLD": 17, "CLONE_VM|CLONE_VFORK|SIGCHLD": 0x4111}
CONVERTED = re.compile(r"^(?P<unit>ms|us)\((?P<name>\w+)\)$")


def parse_form(words, call):
    """= NORMAL source…"""
    require(words and not call.form, f"{call.name}: one other form is wanted")
    names = [a.name for a in call.args]
    return Form(words[0], [parse_source(word, names) for word in words[1:]])


def parse_source(word, names):
    if word == "*":
        return ("ignored", -1, 0)
    if word == '""':
        return ("empty", -1, 0)
    if word in NAMED or re.match(r"^\d+$", word):
        return ("constant", -1, NAMED[word] if word in NAMED else int(word))
    match = CONVERTED.match(word)
    kind, name = (match["unit"], match["name"]) if match else ("arg", word)
    require(name in names, f"no argument '{name}' and no constant of that name")
    return (kind, names.index(name), 0)


def check_forms(calls):
    by_name = {call.name: call for call in calls}
    for call in calls:
        if not call.form:
            continue
        normal = by_name.get(call.form.normal)
        require(normal, f"{call.name}: no call '{call.form.normal}'")
        require(not normal.form, f"{call.name}: '{normal.name}' has another form itself")
        require(len(call.form.sources) == len(normal.args), f"{call.name}: '{normal.name}' has {len(normal.args)} arguments")
        require(normal.result == call.result, f"{call.name}: '{normal.name}' has another kind of result")


def check_complete(calls):
    expected = [n for n in range(LAST + 1) if not FIRST_GAP <= n <= LAST_GAP]
    numbers = [call.nr for call in calls]
    missing = sorted(set(expected) - set(numbers))
    extra = sorted(set(numbers) - set(expected))
    twice = sorted({n for n in numbers if numbers.count(n) > 1})
    require(numbers == expected, f"numbers missing {missing}, unexpected {extra}, twice {twice}")
    names = [call.name for call in calls]
    require(len(set(names)) == len(names), "a name stands twice")


def require(condition, text):
    if not condition:
        raise TableError(text)
