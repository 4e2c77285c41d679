"""bash scripts, job control on a terminal, coreutils and findutils on a large tree, archivers, busybox."""

import os
import pty
import re
import select
import time

from mxtest import Failure, ProgramTest, main, scenario
from mxtest import tree


def shown(done):
    return {"out": done.out, "err": done.err, "status": done.status}


class Bash(ProgramTest):

    @scenario("window", "full")
    def pipelines(self, box):
        """Pipes, PIPESTATUS, process substitution, pipefail, a reader that stops early (SIGPIPE)."""
        return shown(box.shell(r"""
            seq 1 5000 | grep 7 | sort -rn | head -3
            false | true | sh -c 'exit 4'; echo "${PIPESTATUS[@]}"
            diff <(seq 1 5) <(seq 2 6)
            set -o pipefail; yes | head -2; echo $?
            seq 1 100000 | while read -r n; do [ "$n" = 50 ] && break; done; echo "${PIPESTATUS[*]}"
            for i in 1 2 3; do echo "$i"; done | { read -r a; read -r b; echo "$b$a"; }
            exec 3>&1 4<<<"text on 4"; cat <&4 >&3; echo end >&2; exit 7"""))

    @scenario("window", "full")
    def here_documents(self, box):
        return shown(box.shell(r"""
            name=world; cat <<EOT
hello $name $((6*7)) $(echo inner; exit 3)
EOT
            cat <<'EOT' | tr a-z A-Z
not $expanded
EOT
            while IFS=: read -r a b; do printf '%s-%s\n' "$b" "$a"; done <<< $'1:2\n3:4'
            { cat; echo; } <<-EOT > file.txt
	tabs go
	EOT
            cat file.txt; wc -c < file.txt"""))

    @scenario("window", "full")
    def traps_and_children(self, box):
        """EXIT, USR1 and CHLD traps, wait -n, background children, kill, a child that dies of a signal."""
        done = shown(box.shell(r"""
            trap 'echo "leaving with $?"' EXIT
            trap 'echo got USR1' USR1
            kill -USR1 $$
            (exit 3) & wait $!; echo "child $?"
            coproc { trap - EXIT; exec sh -c 'echo ready; exec sleep 100'; }
            pid=$COPROC_PID; read -r line <&"${COPROC[0]}"; kill "$pid"; wait "$pid"; echo "$line, killed $?"
            for i in 3 1 2; do (exit $i) & wait $!; echo "status $?"; done
            trap 'n=$((n+1))' CHLD; n=0; /bin/true; /bin/true; echo "children $n"; trap - CHLD
            (trap 'echo inner EXIT' EXIT; kill -TERM $BASHPID); echo "term $?"
            bash -c 'kill -SEGV $$'; echo "segv $?"
            exit 9"""))
        return {**done, "err": re.sub(rb" +\d{3,}\b", b" PID", done["err"])}

    @scenario()
    def many_commands(self, box):
        """300 external commands: fork, exec, wait."""
        return shown(box.shell(r"""
            for i in $(seq 1 100); do x=$(expr $i + 1); /bin/echo "$x" | cat; done > list
            md5sum < list; wc -l list; mapfile -t lines < list; echo "${#lines[@]} ${lines[99]}" """))

    @scenario()
    def arrays_and_arithmetic(self, box):
        """Work inside bash itself, files by redirection, globs, printf %(date)T of a fixed time."""
        return shown(box.shell(r"""
            declare -A m; for w in a b a c a; do m[$w]=$((m[$w]+1)); done
            for k in a b c; do echo "$k=${m[$k]}"; done
            s=0; for ((i=0;i<20000;i++)); do s=$((s+i%7)); done; echo $s
            for i in 1 2 3; do echo x$i > "f$i.tmp"; done; echo *.tmp; rm f2.tmp; ls
            TZ=UTC printf '%(%F %T)T\n' 1600000000; umask 027; touch u; stat -c %a u
            cd /usr/share || exit; pwd; cd - >/dev/null; [ -e f1.tmp ] && test -s f3.tmp && echo there
            ulimit -n 100; ulimit -n; printf '%s\n' "$BASHPID" | grep -c . """))

    @scenario("window")
    def job_control_on_a_terminal(self, box):
        """bash -i on a pseudo terminal: ^Z stops the job, jobs lists it, fg continues it, ^C ends it."""
        with Terminal(box, ["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]) as terminal:
            terminal.expect("$ ")
            terminal.command("set +o history; PS1='ready> '", "ready> ")
            terminal.command("cat", "")
            terminal.type("hello\n")
            terminal.expect("hello\r\nhello\r\n")
            terminal.type("\x1a")
            terminal.expect("ready> ")
            terminal.command("jobs", "ready> ")
            terminal.type("fg\n")
            terminal.expect("cat\r\n")
            terminal.type("again\n")
            terminal.expect("again\r\nagain\r\n")
            terminal.type("\x03")
            terminal.expect("ready> ")
            terminal.command("echo status $?", "ready> ")
            terminal.command("sleep 60 & kill %1; wait; echo done", "ready> ")
            terminal.command("stty size; tty >/dev/null && echo a terminal", "ready> ")
            terminal.type("exit 5\n")
            status = terminal.program.wait(20).status
        # bash prints the ends of background jobs when it sees them: their place among the lines is not fixed
        lines = [line for line in terminal.text.replace("\r", "").split("\n") if "Terminated" not in line
                 and not line.startswith("[1] ")]
        return {"text": "\n".join(lines).encode(), "status": status}


class Terminal:
    """A program on a pseudo terminal of its own session."""

    def __init__(self, box, argv):
        self.text, self._seen = "", 0
        self.master, slave = pty.openpty()
        self.program = box.start(argv, preexec=lambda: _take_terminal(slave), env={"TERM": "dumb", "PS1": "$ "})
        os.close(slave)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.master)

    def type(self, text):
        os.write(self.master, text.encode())

    def command(self, line, until):
        self.type(line + "\n")
        self.expect(line + "\r\n")
        self.expect(until)

    def expect(self, text, seconds=20):
        """Reads until `text` appears after what was expected before."""
        end = time.monotonic() + seconds
        while text not in self.text[self._seen:]:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.master], [], [], left)[0]:
                raise Failure(f"the terminal never showed {text!r}; it showed:\n{self.text}\n{self.program.output()}")
            try:
                self.text += os.read(self.master, 65536).decode(errors="replace")
            except OSError as gone:
                raise Failure(f"the terminal closed before {text!r}; it showed:\n{self.text}") from gone
        self._seen = self.text.index(text, self._seen) + len(text)


def _take_terminal(slave):
    os.login_tty(slave) if hasattr(os, "login_tty") else _login_tty(slave)


def _login_tty(slave):
    """What login_tty(3) does; the session exists already."""
    import fcntl
    import termios
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for number in (0, 1, 2):
        os.dup2(slave, number)


class Tools(ProgramTest):
    """coreutils, findutils, archivers on a generated tree."""

    @scenario("window")
    def find_and_xargs(self, box):
        tree.make(box.path("tree"))
        return shown(box.shell(r"""
            find tree -type f -name '*.c' -size +1k | sort | tail -5
            find tree -type l -printf '%p %l\n' | sort | md5sum
            find tree -type f -print0 | sort -z | xargs -0 -n 100 -P 2 cat | wc -c
            find tree -type f -newermt '2020-09-13 12:30:00 UTC' | wc -l
            find tree -name '*.log' -exec grep -l word42 {} + | sort | head -5
            find tree -depth -type d -empty | sort | head; find tree -links +1 | wc -l
            find /no/such/place; echo $?"""))

    @scenario("window", "full")
    def coreutils(self, box):
        tree.make(box.path("tree"), files=500)
        done = box.shell(r"""
            cp -a tree copy && diff -r tree copy && echo same
            ls -lR --time-style=+%s tree | awk '{print $1,$2,$3,$4,$5,$6,$7}' | md5sum
            du -s --apparent-size tree | cut -f1; mv copy moved; rm -r moved/dir0; ls moved | wc -l
            find tree -type f -exec cat {} + | tr -s ' ' '\n' | sort | uniq -c | sort -k1,1nr -k2 | head -5
            sha256sum tree/*/*.txt | sort | sha256sum; split -b 1000 -d tree/file1.* part. ; ls part.* | wc -l
            mkdir -p a/b/c; ln -s ../b a/link; readlink -f a/link | sed "s|$PWD||"; chmod 4750 a/b; stat -c '%A %h' a/b
            touch -d @1000000000 t; stat -c %Y t; truncate -s 5000 t; dd if=t of=u bs=512 count=3 2>/dev/null; wc -c u
            tail -n +3 tree/file1.* | head -c 50 | od -c | head -2; tac tree/file1.* | rev | cksum
            rm -rf tree; comm -12 <(seq 1 10) <(seq 5 15) | paste -sd,; timeout 0.2 sleep 60; echo $?
            mkfifo pipe; (echo through > pipe) & cat pipe; wait; nl < u | wc -l; date -u -d @0 +%F; env -i A=1 env""")
        return {**shown(done), "files": tree.describe(box.path("moved"), times=True)}

    @scenario("window")
    def sort_with_threads(self, box):
        tree.make(box.path("tree"), files=400)
        box.shell("cat $(find tree -type f | sort) | tr ' ' '\\n' > words; cp words more; cat more words more > big",
                  outside=True).checked()
        done = box.run(["sort", "--parallel=4", "-S", "4M", "-T", ".", "-o", "sorted", "big"])
        return {**shown(done), "sorted": tree.describe(box.folder)[-1:]}

    @scenario("window")
    def archivers(self, box):
        """tar with gzip, xz with threads; sizes, contents and times of the copies."""
        tree.make(box.path("tree"), files=600)
        done = box.shell(r"""
            tar --sort=name -czf a.tar.gz tree && gzip -t a.tar.gz && mkdir gz && tar -C gz -xzf a.tar.gz
            tar --sort=name -cf - tree | xz -1 -T2 --block-size=300000 > a.tar.xz && mkdir xz && tar -C xz -xJf a.tar.xz
            diff -r gz xz && echo equal; gzip -n -9 < a.tar.xz | gzip -d | cmp - a.tar.xz; tar -tzf a.tar.gz | md5sum
            xz -l --robot a.tar.xz | grep ^file | cut -f3; gzip -dc a.tar.gz | md5sum""")
        return {**shown(done), "gz": tree.describe(box.path("gz"), times=True),
                "xz": tree.describe(box.path("xz"), times=True), "archive": box.path("a.tar.xz").read_bytes()[:2000]}


class Busybox(ProgramTest):

    @scenario("window", "full")
    def static_applets(self, box):
        """A static binary that runs itself for each applet."""
        busybox = "/bin/busybox"
        return shown(box.run([busybox, "sh", "-c", r"""
            for i in 1 2 3; do echo "line $i"; done | busybox sed 's/line/row/' | busybox tac
            busybox seq 1 1000 | busybox awk '{s+=$1} END {print s}'
            busybox mkdir d; busybox echo text > d/f; busybox tar cf - d | busybox tar tf -
            busybox find d | busybox sort; busybox md5sum d/f; busybox stat -c '%s %a' d/f
            (exit 6); echo $?; trap 'echo out' EXIT; exit 3"""]))


if __name__ == "__main__":
    main()
