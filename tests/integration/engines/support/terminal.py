#!/usr/bin/python3
"""Runs a command on a terminal of its own and talks to it as a person would: terminal.py COMMAND (EXPECT SEND)…

Waits until EXPECT has appeared (behind the one before), then types SEND; C escapes are understood. Prints all that
the terminal showed; exit status is the command's, or 99 if something expected did not come within half a minute.
The terminal is always the same one, whoever calls: of 24 lines of 80 characters, TERM=xterm."""
import fcntl
import os
import pty
import select
import struct
import sys
import termios
import time


def main():
    steps = [word.encode().decode("unicode_escape").encode() for word in sys.argv[2:]]
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        os.environ["TERM"] = "xterm"
        os.execl("/bin/sh", "sh", "-c", sys.argv[1])
    shown, since, end = b"", 0, time.monotonic() + 30
    while time.monotonic() < end:
        if steps and steps[0] in shown[since:]:
            since = shown.index(steps[0], since) + len(steps[0])    # what came with it may be expected next
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
