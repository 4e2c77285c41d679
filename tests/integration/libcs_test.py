"""One version built with glibc, the other with musl: the same program makes other system calls.

    MX_BIN=... python3 libcs_test.py Libcs.test_glibc_leads_window
"""
import hashlib
import os
import pathlib
import signal

from mxtest import ProgramTest, free_port, main, scenario, settings
from mxtest.debian import made_once, run
from mxtest.net import connect

SOURCE = pathlib.Path(__file__).parent / "programs" / "libc_calls.c"
REQUESTS = ("files", "descriptors", "waits", "child", "thread")


def built(compiler):
    of = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:8]
    folder = settings.cache() / f"libc-calls-{compiler}-{of}"
    made_once(folder, lambda to: run([compiler, "-O2", "-Wall", "-pthread", "-o", to / "program", SOURCE]))
    return folder / "program"


class Libcs(ProgramTest):

    def serve(self, box, old, new, kill=False, fault=None):
        port = free_port()
        env = {"MX_FAULT": fault} if fault and not box.native else None
        server = box.start([built(old), port, box.folder], built(new), native=built("gcc"), ready=port, env=env)
        with connect(port) as client, client.makefile("rwb", buffering=0) as talk:
            def ask(text):
                talk.write(text.encode() + b"\n")
                return talk.readline().decode()
            answers = [ask(text) for text in REQUESTS]
            if kill and not box.native:
                os.kill(server.report.pid("old"), signal.SIGKILL)
            answers += [ask(text) for text in REQUESTS]
            talk.write(b"end\n")
            talk.read()
        status = server.wait(30).status
        if not box.native:
            self.assertEqual(len(server.report.events("failover")), 1 if kill or fault else 0)
        return {"answers": answers, "status": status}

    @scenario("window", "full")
    def glibc_leads(self, box):
        return self.serve(box, "gcc", "musl-gcc")

    @scenario("window", "full")
    def musl_leads(self, box):
        return self.serve(box, "musl-gcc", "gcc")

    KILLED = ("failover", "crash", "recovery")

    @scenario("window", "full", allow=KILLED)
    def glibc_is_killed(self, box):
        return self.serve(box, "gcc", "musl-gcc", kill=True)

    @scenario("window", "full", allow=KILLED)
    def musl_is_killed(self, box):
        return self.serve(box, "musl-gcc", "gcc", kill=True)

    @scenario("window", allow=KILLED)
    def killed_in_a_call(self, box):
        """The kernel has executed the call, and the survivor is about to make it by another number."""
        answers = []
        for at in range(1 if box.native else 40):
            for old, new in (("gcc", "musl-gcc"), ("musl-gcc", "gcc")):
                answers.append(self.serve(box, old, new, fault=f"kill-after:{30 + at}"))
        self.assertTrue(all(one == answers[0] for one in answers), answers)
        return answers[0]


if __name__ == "__main__":
    main()
