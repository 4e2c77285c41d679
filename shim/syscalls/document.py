"""Writes docs/syscalls.md: what mx does with every system call, family by family."""

import table as model

MEANING = {
    "local": "Each version executes it on its own; no event.",
    "both": "Executed in both versions, results compared; the program gets the leader's.",
    "leader": "The leader executes it; the follower compares its arguments and gets the results.",
    "newfd": "As *leader*; the result is a new descriptor, with the same number in both versions.",
    "file": "Decided by the path: a version looks at its own image itself, anything else is done by the leader.",
    "query": "Free of side effects: the follower gets the leader's last answer; the sequences need not match.",
    "process": "Process ids are those of the leader; new, changed and ended processes go in pairs.",
    "signal": "Masks, handlers and pending signals are kept by mx; both versions get a signal at the same point.",
    "refuse": "Answered with ENOSYS; the report names it once with a count.",
}

INTRODUCTION = """# System calls

<!-- Generated from shim/syscalls/syscalls.table by shim/syscalls/generate.py. Do not edit. -->

What mx does with each system call of x86-64 Linux 6.12. A number that is not listed here is refused with ENOSYS and a
`refused` line in the report; so are the x32 calls.

| treatment | what mx does |
|---|---|
"""

RULES = """
A call whose first descriptor is *private* (a read-only file of the version's own image) is executed by each version on
its own, unless it changes the file. Marks in the second column: **h** the agent has a function of its own for the
call, **w** it may wait for long, **r** it is begun again after a signal handler that was installed with SA_RESTART,
**t** another thread may act on what it does before it returns.

Calls that the kernel defines as the same operation are compared as one where the versions make it by different numbers
(two libcs): the notes say *as* which other call, with which arguments.
"""

SPECIAL = {
    "absent": "Linux answers ENOSYS itself; nothing is reported.",
}


def markdown(table):
    """The whole document as one text."""
    parts = [INTRODUCTION]
    counts = {name: sum(c.treatment == name for c in table.calls) for name in MEANING}
    parts += [f"| {name} ({counts[name]}) | {meaning} |\n" for name, meaning in MEANING.items()]
    parts.append(RULES)
    for family in table.families:
        parts.append(f"\n## {family}\n\n| call | treatment | what mx does | notes |\n|---|---|---|---|\n")
        parts += [row(call) for call in table.calls if call.family == family]
    return "".join(parts)


def row(call):
    marks = [letter for attribute, letter in (("handler", "h"), ("blocking", "w"), ("restart", "r"), ("tells", "t")) if attribute in call.attributes]
    treatment = call.treatment + (" **" + "".join(marks) + "**" if marks else "")
    return f"| {call.nr} `{call.name}` | {treatment} | {in_words(call)} | {notes(call)} |\n"


WORDS = {
    "local": "each version on its own",
    "both": "executed in both",
    "leader": "executed by the leader",
    "newfd": "executed by the leader; a new descriptor",
    "file": "by each version itself for its own image, else by the leader",
    "query": "answered with what the leader saw",
    "process": "carried out for both versions as one",
    "signal": "kept by mx for both versions",
    "refuse": "ENOSYS, reported",
}


def in_words(call):
    """executed by the leader; compared: fd, count; copied: buf"""
    if "absent" in call.attributes:
        return "ENOSYS"
    texts = [WORDS[call.treatment]]
    if call.treatment in ("local", "refuse"):
        return texts[0]
    compared = [a.name for a in call.args if a.compare]
    copied = [a.name for a in call.args if a.kind in model.WRITTEN + ["inout"]]
    if compared and call.treatment != "query":
        texts.append("compared: " + ", ".join(compared))
    if copied and call.treatment != "both":
        texts.append("copied: " + ", ".join(copied))
    return "; ".join(texts)


def notes(call):
    texts = [SPECIAL[a] for a in call.attributes if a in SPECIAL]
    if call.form:
        texts.append(f"As `{call.form_text}`.")
    return " ".join(texts + call.notes).replace("|", "\\|")
