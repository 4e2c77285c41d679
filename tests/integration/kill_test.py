"""SIGKILL of the leader at any moment: every reply comes once, in order, on connections that stay open.

A small server under load is killed again and again, from outside and by kill-after:N (the kernel has executed the call,
nobody was told). MX_KILLS sets how many servers are killed (default 24).
"""
import hashlib
import os
import pathlib
import random
import resource
import signal
import subprocess
import time

from control_test import until
from mxtest import Exchange, ProgramTest, free_port, main, scenario, settings
from mxtest.debian import made_once, run
from mxtest.net import connect
from mxtest.process import readable

SOURCES = pathlib.Path(__file__).parent / "programs"
CONNECTIONS, REPLIES = 20, 40
ALLOWED = ("failover", "crash", "recovery")


def program(name, *flags):
    """A program of programs/, compiled."""
    source = SOURCES / f"{name}.c"
    of = hashlib.sha256(source.read_bytes() + " ".join(flags).encode()).hexdigest()[:8]
    folder = settings.cache() / f"{name.replace('_', '-')}-{of}"
    made_once(folder, lambda to: run(["gcc", "-O2", "-pthread", *flags, "-o", to / name, source]))
    return folder / name


def lines(number, count):
    """Requests of one connection; the server's answer counts them, so that a repeated one shows."""
    for i in range(1, count + 1):
        text = b"%d-%d" % (number, i)
        yield text + b"\n", b"%d %s\n" % (i, text)


def take(buffer, expected):
    from mxtest.resp import take as exact
    return exact(buffer, expected)


class KilledServer(ProgramTest):

    def serve(self, box, fault=None, kill=None, before=REPLIES * CONNECTIONS, arguments=(), flags=()):
        """One server, one load; kill(server) may end the leader after `before` replies, or a fault does it by then."""
        port = free_port()
        env = {"MX_FAULT": fault} if fault and not box.native else None
        server = box.start([program("echo_server", *flags), port, *arguments], ready=port, env=env)
        load = Exchange(port, lambda n: lines(n, 10 ** 9), take, connections=CONNECTIONS, depth=8)
        load.start()
        load.wait_for_replies(before)
        if kill and not box.native:
            kill(server)
        load.wait_for_replies(REPLIES * CONNECTIONS)
        load.finish().checked()
        if not box.native:
            self.assertEqual(len(server.report.events("failover")), 1)
        server.stop()
        return {"status": "served"}

    @staticmethod
    def kill(server):
        os.kill(server.report.pid("old"), signal.SIGKILL)
        server.report.wait("failover", 20)

    @scenario("window", allow=ALLOWED)
    def from_outside(self, box):
        rounds = int(os.environ.get("MX_KILLS", "24"))
        for _ in range(1 if box.native else rounds):
            self.serve(box, kill=self.kill)
        return {"status": "served"}

    @scenario("window", allow=ALLOWED)
    def with_many_descriptors(self, box):
        """More than mx's own number (4,095 at most): what the survivor takes them over with must not be in their way."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self.assertGreaterEqual(hard, 8192, "this machine's hard limit of open files is too low for the test")
        for threads, descriptors in ((0, 4085), (2, 4085), (0, 5000), (2, 8000)):
            self.serve(box, kill=self.kill, arguments=(threads, descriptors))
        return {"status": "served"}

    @scenario("window", "full", allow=ALLOWED)
    def with_threads(self, box):
        """Several threads may have been inside a read or a write: how much each has moved must be told apart."""
        draw = random.Random(5)
        for _ in range(1 if box.native else 12):
            self.serve(box, fault=f"kill:{draw.randrange(300, 900)}", flags=["-DTHREADS=4"])
        return {"status": "served"}

    @scenario("window", "full", allow=ALLOWED)
    def after_the_kernel_has_executed(self, box):
        draw = random.Random(7)
        for _ in range(1 if box.native else 12):
            self.serve(box, fault=f"kill-after:{draw.randrange(60, 700)}")
        return {"status": "served"}

    @scenario("window", allow=ALLOWED)
    def beside_checkpoints(self, box):
        """Copies of the leader sleep, and read /proc/self/maps meanwhile: the survivor, which learns from the kernel's
        byte counts whether a call was executed, must not take that for the leader's doing."""
        for at in range(1 if box.native else 6):    # a read, a write, a wait, one after the other
            self.serve(box, fault=f"kill-after:{6000 + at}", before=10000)
        return {"status": "served"}


class FarBehind(ProgramTest):
    """The follower has many thousand events to go when its leader is killed, nearly all of one thread."""

    @scenario("window", allow=ALLOWED)
    def one_thread_waits_for_its_turn(self, box):
        talk = box.start([program("lock_rounds")])
        said = lambda: talk.out_path.read_bytes().split()
        until("the first rounds", lambda: len(said()) > 3)
        if not box.native:
            follower = talk.report.pid("new")
            os.kill(follower, signal.SIGSTOP)
            at, soon = len(said()), time.monotonic() + 1
            until("a round of the leader, or its lane to be full", lambda: len(said()) > at or time.monotonic() > soon)
            os.kill(talk.report.pid("old"), signal.SIGKILL)
            os.kill(follower, signal.SIGCONT)
            talk.report.wait("failover", 20)
        at = len(said())
        until("more rounds", lambda: len(said()) > at + 3)
        talk.stop()
        self.assertEqual([b"%d" % n for n in range(1, len(said()) + 1)], said())
        return {"status": "counted"}


class Background(ProgramTest):

    @scenario("window", "full")
    def its_starter_sees_the_end_of_its_output(self, box):
        """The program ends before mx is done with starting up; what it left behind goes on, and so does mx."""
        fifo = box.path("fifo")
        os.mkfifo(fifo)
        words = ["/bin/dash"] if box.native else [str(settings.mx()), "run", "--lockstep", box.mode, "--old", "/bin/dash", "--new", "/bin/dash", "--"]
        ended = []
        for _ in range(1 if box.native else 4):
            all_ended, held = os.pipe()     # by what is left behind, to its end
            with subprocess.Popen([*words, "-c", 'exec > /dev/null 2>&1; cat < "$0" &', fifo], stdout=subprocess.PIPE, pass_fds=[held]) as starter:
                os.close(held)
                ended.append((starter.communicate(timeout=30)[0], starter.returncode))
            fifo.write_text("the end")      # cat is there, and ends
            readable(all_ended, 30)
            os.close(all_ended)
        return {"ended": set(ended)}


class Inherited(ProgramTest):

    @scenario("window", "full")
    def a_high_number(self, box):
        """What who started mx has left open (a service manager's sockets) is the program's, and then the survivor's."""
        number, count, draw = 700, 50, random.Random(3)
        words = [] if box.native else [str(settings.mx()), "run", "--lockstep", box.mode, "--old", "/bin/bash", "--new", "/bin/bash", "--"]
        written = []
        for _ in range(1 if box.native else 6):
            ours, its = os.pipe()
            os.dup2(its, number)
            os.close(its)
            env = {**os.environ, **({} if box.native else {"MX_FAULT": f"kill:{draw.randrange(60, 200)}"})}
            script = f"for ((i = 1; i <= {count}; i++)); do echo $i; done > /dev/null; echo the end >&{number}"
            done = subprocess.run([*(words or ["/bin/bash"]), "-c", script], pass_fds=[number], env=env, timeout=30)
            os.close(number)
            with os.fdopen(ours) as lines_written:
                written.append((done.returncode, lines_written.read()))
        return {"written": set(written)}


class KilledDaemon(ProgramTest):
    """A program that has put itself into the background: its processes are nobody's children any more."""

    def serve(self, box, before_it_leaves=lambda server: None, after_the_kill=lambda server: None):
        port, (its_end, ours) = free_port(), os.pipe()
        server = box.start([program("daemon"), port], ready=port, stdin=its_end)
        os.close(its_end)
        before_it_leaves(server)
        with connect(port) as client, client.makefile("rwb", buffering=0) as talk:
            os.write(ours, b"!")
            os.close(ours)
            pid = int(ask(talk, "pid"))
            answers = [ask(talk, "before")]
            if not box.native:
                kill_and_await(pid)     # it must not take the next line along: docs/limits.md
                after_the_kill(server)
            answers += [ask(talk, f"after {n}") for n in range(20)]
            if not box.native:
                server.report.wait("failover", 20)
            talk.write(b"end\n")
            answers.append(talk.read())
        return {"answers": answers, "status": server.wait(30).status}

    @scenario("window", "full", allow=(*ALLOWED, "note"))
    def served(self, box):
        return self.serve(box)

    @scenario("window", allow=(*ALLOWED, "note"))
    def before_the_other_one_is_born(self, box):
        """The other version has not come as far as its own second process when the first one's is killed."""
        def send(number):
            return lambda server: box.native or os.kill(server.report.pid("new"), number)
        return self.serve(box, send(signal.SIGSTOP), send(signal.SIGCONT))


def kill_and_await(pid):
    """A process that is nobody's child here."""
    fd = os.pidfd_open(pid)
    signal.pidfd_send_signal(fd, signal.SIGKILL)
    readable(fd, 30)
    os.close(fd)


def ask(talk, text):
    talk.write(text.encode() + b"\n")
    return talk.readline().decode()


if __name__ == "__main__":
    main()
