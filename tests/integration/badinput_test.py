"""Bad input and bad days: a clear error or what happens natively, never a hang."""

import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time
import unittest

from mxtest import ProgramTest, main, scenario, settings

PYTHON = "/usr/bin/python3"
REFUSE = settings.LIB / "mxtest" / "refuse.py"


@unittest.skipUnless(settings.mx(), "the command line of mx itself: there is nothing to run natively")
class OnTheCommandLine(unittest.TestCase):

    def setUp(self):
        self.folder = pathlib.Path(settings.temporary()) / f"mx-badinput-{os.getpid()}"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def mx(self, *words, prefix=(), seconds=30):
        return subprocess.run([*prefix, settings.mx(), *map(str, words)], cwd=self.folder, capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=seconds, check=False)

    def refused(self, done, status, *names):
        error = done.stderr.decode(errors="replace")
        self.assertEqual(status, done.returncode, error)
        for name in names:
            self.assertIn(str(name).lower(), error.lower())
        self.assertEqual(b"", done.stdout)

    def made(self, name, content, mode):
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(mode)
        return path


class CommandLine(OnTheCommandLine):
    """What `mx run` says to bad input: exit status and a line on standard error that names the thing."""

    def test_missing_program(self):
        self.refused(self.mx("run", "--old", "/no/such/old", "--new", "/bin/true"), 127, "/no/such/old")
        self.refused(self.mx("run", "--old", "/bin/true", "--new", "/no/such/new"), 127, "/no/such/new")

    def test_not_executable(self):
        file = self.made("plain", pathlib.Path("/bin/true").read_bytes(), 0o644)
        self.refused(self.mx("run", "--old", file, "--new", "/bin/true"), 126, file)
        self.refused(self.mx("run", "--old", "/bin/true", "--new", file), 126, file)

    def test_folder(self):
        self.refused(self.mx("run", "--old", self.folder, "--new", "/bin/true"), 126, self.folder)

    def test_not_a_program(self):
        file = self.made("noise", bytes(range(256)) * 10, 0o755)
        self.refused(self.mx("run", "--old", file, "--new", "/bin/true"), 126, file)

    def test_truncated_elf(self):
        file = self.made("short", pathlib.Path("/bin/true").read_bytes()[:40], 0o755)
        self.refused(self.mx("run", "--old", file, "--new", "/bin/true"), 126, file)

    def test_foreign_architecture(self):
        content = bytearray(pathlib.Path("/bin/true").read_bytes())
        content[18:20] = (183).to_bytes(2, "little")      # EM_AARCH64
        file = self.made("foreign", content, 0o755)
        self.refused(self.mx("run", "--old", "/bin/true", "--new", file), 126, file, "x86-64")

    def test_32_bit(self):
        content = bytearray(pathlib.Path("/bin/true").read_bytes())
        content[4], content[18:20] = 1, (3).to_bytes(2, "little")      # ELFCLASS32, EM_386
        file = self.made("narrow", content, 0o755)
        self.refused(self.mx("run", "--old", file, "--new", "/bin/true"), 126, file)

    def test_root_without_loader(self):
        root = self.folder / "root"
        (root / "bin").mkdir(parents=True)
        shutil.copy("/bin/true", root / "bin/true")
        done = self.mx("run", "--old", "/bin/true", "--new", "/bin/true", "--new-root", root)
        self.assertIn(done.returncode, (126, 127), done.stderr)
        self.assertIn(b"ld-linux", done.stderr)

    def test_report_path(self):
        mark = self.folder / "mark"
        done = self.mx("run", "--old", "/bin/touch", "--new", "/bin/touch", "--report", "/no/such/folder/r", "--", mark)
        self.refused(done, 125, "/no/such/folder/r")
        self.assertFalse(mark.exists(), "the program must not run when its report cannot be written")

    def test_rules_path(self):
        done = self.mx("run", "--old", "/bin/true", "--new", "/bin/true", "--rules", "/no/such/rules")
        self.refused(done, 125, "/no/such/rules")

    def test_options(self):
        for words in (["run"], ["run", "--old", "/bin/true"], ["run", "--nonsense"], ["nonsense"],
                      ["run", "--old", "/bin/true", "--new", "/bin/true", "--leader", "both"],
                      ["run", "--old", "/bin/true", "--new", "/bin/true", "--lockstep", "loose"],
                      ["run", "--old", "/bin/true", "--new", "/bin/true", "--threads", "many"],
                      ["run", "--old", "/bin/true", "--new", "/bin/true", "--hang-timeout", "soon"]):
            done = self.mx(*words)
            self.assertEqual(125, done.returncode, f"{words}: {done.stderr}")
            self.assertTrue(done.stderr, words)

    def test_help(self):
        done = self.mx("run", "--help")
        self.assertEqual(0, done.returncode)
        for option in ("--old", "--new", "--old-root", "--new-root", "--leader", "--lockstep", "--recovery",
                       "--threads", "--hang-timeout", "--rules", "--report"):
            self.assertIn(option.encode(), done.stdout)

    def test_no_permission_to_trace(self):
        done = self.mx("run", "--old", "/bin/echo", "--new", "/bin/echo", "--", "x",
                       prefix=[PYTHON, REFUSE, "ptrace"])
        self.refused(done, 125, "ptrace")

    def test_no_permission_to_filter(self):
        done = self.mx("run", "--old", "/bin/echo", "--new", "/bin/echo", "--", "x",
                       prefix=[PYTHON, REFUSE, "seccomp,prctl:22"])
        self.refused(done, 125, "seccomp")

    def test_no_permission_to_take_over(self):
        done = self.mx("run", "--report", "report", "--old", "/bin/echo", "--new", "/bin/echo", "--", "x", prefix=[PYTHON, REFUSE, "pidfd_getfd"])
        self.assertEqual((0, b"x\n"), (done.returncode, done.stdout), done.stderr)
        self.assertIn(b"CAP_SYS_PTRACE", done.stderr)
        notes = [line for line in (self.folder / "report").read_text().splitlines() if '"note"' in line]
        self.assertIn("pidfd_getfd", "".join(notes))

    def test_full_disk_under_the_report(self):
        done = self.mx("run", "--old", "/bin/echo", "--new", "/bin/echo", "--report", "/dev/full", "--", "all is well")
        self.assertEqual((0, b"all is well\n"), (done.returncode, done.stdout), done.stderr)

    def test_report_disk_fills_up(self):
        """A file system of 4 KiB under the report of a program with many processes."""
        small = self.folder / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", small], check=True)
        self.addCleanup(subprocess.run, ["umount", small], check=True)
        (small / "filler").write_bytes(b"x" * 4096)
        done = self.mx("run", "--old", "/bin/sh", "--new", "/bin/sh", "--report", small / "report", "--", "-c",
                       "for i in 1 2 3; do /bin/echo $i; done; exit 9")
        self.assertEqual((9, b"1\n2\n3\n"), (done.returncode, done.stdout), done.stderr)

    def test_arguments_are_the_programs(self):
        """Byte by byte: empty ones, brackets, what looks like an option of mx, with and without --."""
        words = ["%s\\n", "", "[a,b]", "--old", "-x", "{}", "'", "--"]
        natively = subprocess.run(["/usr/bin/printf", *words], capture_output=True, check=True).stdout
        for separator in (["--"], []):
            done = self.mx("run", "--old", "/usr/bin/printf", "--new=/usr/bin/printf", *separator, *words)
            self.assertEqual((0, natively), (done.returncode, done.stdout), done.stderr)

    def test_report_to_a_fifo(self):
        """Nobody reads it: the program runs all the same. Somebody does: he gets the lines."""
        fifo = self.folder / "fifo"
        os.mkfifo(fifo)
        run = ["run", "--old", "/bin/echo", "--new", "/bin/echo", "--report", fifo, "--", "x"]
        self.assertEqual(b"x\n", self.mx(*run).stdout)
        with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE) as reader:
            self.assertEqual(b"x\n", self.mx(*run).stdout)
            lines = reader.stdout.read().splitlines()
        self.assertEqual(["start", "start", "exit"], [json.loads(line)["event"] for line in lines])

    def test_report_to_a_pipe_that_nobody_reads(self):
        """It fills up; the program goes on."""
        read, write = os.pipe()
        os.set_blocking(write, False)
        try:
            while True:
                os.write(write, b"x" * 4096)
        except BlockingIOError:
            os.set_blocking(write, True)
        done = subprocess.run([settings.mx(), "run", "--old", "/bin/echo", "--new", "/bin/echo", "--report", "-", "--", "x"],
                              stdout=subprocess.PIPE, stderr=write, stdin=subprocess.DEVNULL, timeout=30, check=False)
        os.close(read)
        os.close(write)
        self.assertEqual((0, b"x\n"), (done.returncode, done.stdout))

    def test_mx_inside_mx(self):
        inner = [settings.mx(), "run", "--old", "/bin/echo", "--new", "/bin/echo"]
        done = self.mx("run", "--old", settings.mx(), "--new", settings.mx(), "--", *inner[1:])
        self.refused(done, 125, "mx runs under mx")
        done = self.mx("run", "--old", "/bin/sh", "--new", "/bin/sh", "--", "-c", " ".join(inner) + "; echo went on $?")
        self.assertEqual((0, b"went on 125\n"), (done.returncode, done.stdout), done.stderr)

    def test_report_on_standard_error(self):
        done = self.mx("run", "--old", "/bin/true", "--new", "/bin/true", "--report", "-")
        self.assertEqual(0, done.returncode)
        self.assertIn(b'"event"', done.stderr)


class Flags(OnTheCommandLine):
    """Options without a value, before others and before the program's first argument."""

    def test_flags(self):
        echo = ["--old", "/bin/echo", "--new", "/bin/echo"]
        for words in (["--core", *echo, "hi"], ["--replay-bundle", *echo, "--", "hi"], [*echo, "--core", "hi"], [*echo, "--core", "--", "hi"],
                      ["--core", "--replay-bundle", *echo, "hi"]):
            done = self.mx("run", *words)
            self.assertEqual((0, b"hi\n"), (done.returncode, done.stdout), f"{words}: {done.stderr}")


class BadDays(ProgramTest):
    """Limits of the system: the program must see what it sees natively."""

    @scenario("window", "full")
    def many_descriptors(self, box):
        """10,000 of them, files and sockets, up to the limit and beyond."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertGreaterEqual(hard, 10_000, "this machine's hard limit of open files is too low for the test")
        return shown(box.run([PYTHON, "-c", r"""
import os, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (10000, 10000))
kept = []
try:
    while True:
        kept.append(os.open("/dev/null", os.O_WRONLY)); kept.append(socket.socket().detach())
        kept.append(os.open("/etc/passwd", os.O_RDONLY)); kept.append(os.dup(kept[-1])); kept += os.pipe()
except OSError as e: print(e.strerror, max(kept))      # mx keeps one number for itself (docs/limits.md)
for fd in kept: os.close(fd)
print(os.open("/dev/null", os.O_RDONLY))"""]))

    @scenario("window", "full", allow=("dropped", "recovery"))
    def process_limit(self, box):
        """fork until the limit of processes is hit, as an ordinary user; then go on. The user's limit counts the processes
        of both versions: the follower may be the one that hits it."""
        box.folder.chmod(0o777)
        return shown(box.run([PYTHON, "-c", r"""
import os, resource, signal
os.setgid(64123); os.setuid(64123)
resource.setrlimit(resource.RLIMIT_NPROC, (60, 60))
ready, write = os.pipe(); children = []
try:
    for _ in range(100):
        pid = os.fork()
        if pid == 0: signal.pause(); os._exit(0)
        children.append(pid)
except BlockingIOError as e: print("fork:", e.strerror)
print(len(children) > 5)
for pid in children: os.kill(pid, signal.SIGKILL)
print({os.waitpid(pid, 0)[1] for pid in children})
print(os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)[1])"""]))

    @scenario("window", "full")
    def no_memory(self, box):
        return shown(box.run([PYTHON, "-c", r"""
import resource
resource.setrlimit(resource.RLIMIT_AS, (300_000_000, -1))
kept = []
try:
    while True: kept.append(bytearray(10_000_000))
except MemoryError: print("MemoryError", len(kept) > 10)
kept.clear(); print(len(bytearray(50_000_000)))"""]))

    @scenario("window", "full")
    def closed_standard_streams(self, box):
        return shown(box.shell("exec <&- 2>&-; ls /proc/self/fd > fds; read x; echo \"$?\"; ls missing; echo $?"))

    @scenario("window", "full", allow=("crash", "recovery"))
    def deaths_by_signal(self, box):
        """Both versions die alike: 128 + signal, for each fault and for signals from outside the faults."""
        codes = {"segv": "import ctypes; ctypes.string_at(0)", "abort": "import os; os.abort()",
                 "fpe": "import os, signal; os.kill(os.getpid(), signal.SIGFPE)",
                 "kill": "import os; os.kill(os.getpid(), 9)", "term": "import os; os.kill(os.getpid(), 15)",
                 "exit": "import sys; sys.exit(77)"}
        return {name: box.run([PYTHON, "-c", "import resource; resource.setrlimit(resource.RLIMIT_CORE, (0, 0));" + code],
                              tag=name).status for name, code in codes.items()}

    @scenario("window", "full")
    def stopped_leader(self, box):
        """SIGSTOP, as by ^Z, in the middle of its own code, for longer than the hang timeout: it has not failed."""
        program = box.start(["/bin/sh", "-c", "while :; do x=$((x + 1)); [ $((x % 2000)) != 0 ] || echo $x; done > count"],
                            options=["--hang-timeout", "1"])
        pid = program.pid if box.native else program.report.pid("old")
        count = box.path("count")
        self.grows(count)
        os.kill(pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(pid, signal.SIGCONT)
        self.grows(count)
        return {"status": program.stop().status}

    def grows(self, path):
        size, end = path.stat().st_size if path.exists() else 0, time.monotonic() + 20
        while not path.exists() or path.stat().st_size == size:
            self.assertLess(time.monotonic(), end, f"{path} does not grow")
            time.sleep(0.05)

    @scenario("window", "full")
    def script_as_program(self, box):
        """#! with an argument."""
        script = box.write("script", "#!/bin/sh -e\necho \"$0 $*\" | sed 's|.*/||'\nfalse\necho not reached\n", 0o755)
        return shown(box.run([script, "a", "b c"]))


def shown(done):
    return {"out": done.out, "err": done.err, "status": done.status}


if __name__ == "__main__":
    main()
