#!/usr/bin/python3
"""Runs a command on a terminal of its own and talks to it as a person would: terminal.py COMMAND (EXPECT SEND)…

Waits until EXPECT has appeared (in what came since the last SEND), then types SEND; C escapes are understood. Prints all that
the terminal showed; exit status is the command's, or 99 if something expected did not come within half a minute."""
import os
import pty
import select
import sys
import time


def main():
    steps = [word.encode().decode("unicode_escape").encode() for word in sys.argv[2:]]
    pid, terminal = pty.fork()
    if pid == 0:
        os.execl("/bin/sh", "sh", "-c", sys.argv[1])
    shown, since, end = b"", 0, time.monotonic() + 30
    while time.monotonic() < end:
        if steps and steps[0] in shown[since:]:
            since = len(shown)
            os.write(terminal, steps[1])
            steps, end = steps[2:], time.monotonic() + 30
        if not select.select([terminal], [], [], 0.2)[0]:
            continue
        try:
            more = os.read(terminal, 4096)
        except OSError:  # the last process on the terminal has closed it
            more = b""
        if not more:
            break
        shown += more
    else:
        os.kill(pid, 9)
        sys.stdout.write(shown.decode(errors="replace") + f"\nterminal.py: waited for {steps[:1]}\n")
        return 99
    sys.stdout.write(shown.decode(errors="replace"))
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if not steps else 99


sys.exit(main())
