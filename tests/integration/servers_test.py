"""Servers of many processes, users and limits, as Debian packs them, as two versions of themselves: a file server that limits its
memory, mail servers that change users and give capabilities up, name servers and a cache with threads. Nobody, the leader's first process, or
the follower's is killed after the first round of a client; each round must get the right answers. And each of them is killed
several times, when it could come back, and does."""

import ftplib
import imaplib
import json
import os
import pathlib
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import time
import unittest

from control_test import mx
from mxtest import free_port
from network_test import ask

MX = os.environ["MX_BIN"]
SECONDS = 30    # at most, for what should take a moment
ZONE = "$ORIGIN x.\n$TTL 60\n@ IN SOA a. b. 1 2 3 4 5\n@ IN NS a.\nw IN A 1.2.3.4\n"


class Server:
    """One run under mx, in a folder of its own."""

    def __init__(self, name):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"mx-{name}-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.report = self.folder / "report"
        self.rounds = 0

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def start(self, *command):
        self.environment = {**os.environ, "MX_STATE_DIR": str(self.folder / "state")}
        self.mx = subprocess.Popen([MX, "run", "--id", "server", "--report", self.report, "--old", command[0], "--new", command[0], "--", *command[1:]],
                                   cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL, stdout=open(self.folder / "out", "w"),
                                   stderr=subprocess.STDOUT)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end and self.mx.poll() is None:
            try:
                return socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError:
                time.sleep(0.02)
        raise AssertionError(f"not ready: {self.text()}")

    def lines(self):
        return [json.loads(line) for line in self.report.read_text().splitlines() if line.endswith("}")]

    def events(self, *kinds):
        return [line for line in self.lines() if line["event"] in kinds]

    def text(self):
        report = "\n".join(json.dumps({k: v for k, v in line.items() if k != "last_calls"}) for line in self.lines())
        said = "\n".join((self.folder / name).read_text()[-3000:] for name in ("out", "log") if (self.folder / name).exists())
        return f"{report}\n{said}"

    def status(self):
        return json.loads(mx("status", "--json", "server", env=self.environment).stdout)

    def until(self, what, reached):
        end = time.monotonic() + SECONDS
        while not reached():
            if time.monotonic() > end:
                raise AssertionError(f"{what}: {self.status()['checkpoints']}\n{self.text()}")
            time.sleep(0.02)

    def kill_first(self, version):
        os.kill(self.status()["versions"][version]["pids"][0], signal.SIGKILL)

    def stop(self):
        self.mx.send_signal(signal.SIGTERM)
        try:
            self.mx.wait(SECONDS)
        finally:
            for line in self.events("start"):
                try:
                    os.kill(line["pid"], signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.mx.kill()
            shutil.rmtree(self.folder, ignore_errors=True)


def vsftpd(server):
    """Limits its address space; two processes a client."""
    server.write("pub/f", "hello\n" * 100)
    (server.folder / "empty").mkdir()
    server.start("/usr/sbin/vsftpd", server.write("conf", f"""listen=YES
listen_port={server.port}
listen_address=127.0.0.1
background=NO
anonymous_enable=YES
anon_root={server.folder}/pub
secure_chroot_dir={server.folder}/empty
no_anon_password=YES
"""))

    def client():
        got = []
        with ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", server.port, SECONDS)
            ftp.login()
            ftp.retrbinary("RETR f", got.append)
            return b"".join(got) == b"hello\n" * 100 and ftp.nlst() == ["f"]
    return client


def dovecot(server):
    """A master without most capabilities, and half a dozen kinds of processes."""
    box = server.folder / "mail/t"
    for folder in ("cur", "tmp", "new"):
        (box / folder).mkdir(parents=True)
    (box / "new/1.x").write_text("Subject: hi\n\nbody\n")
    subprocess.run(["chown", "-R", "65534:65534", server.folder / "mail"], check=True)
    users = server.write("users", f"t:{{PLAIN}}p:65534:65534::{box}::\n")
    server.start("/usr/sbin/dovecot", "-F", "-c", server.write("conf", f"""base_dir={server.folder}/run
state_dir={server.folder}
log_path={server.folder}/log
protocols=imap
listen=127.0.0.1
ssl=no
disable_plaintext_auth=no
mail_location=maildir:{server.folder}/mail/%u
first_valid_uid=1
service imap-login {{
 inet_listener imap {{
  port={server.port}
 }}
 inet_listener imaps {{
  port=0
 }}
}}
passdb {{
 driver=passwd-file
 args={users}
}}
userdb {{
 driver=passwd-file
 args={users}
}}
default_internal_user=nobody
default_login_user=nobody
default_internal_group=nogroup
"""))

    def client():
        for _ in range(3):
            with imaplib.IMAP4("127.0.0.1", server.port, SECONDS) as imap:
                imap.login("t", "p")
                if imap.select()[0] != "OK" or imap.fetch("1", "(BODY[TEXT])")[1][0][1] != b"body\r\n":
                    return False
        return True
    return client


def postfix(server):
    """A master and a process for each step of a letter's way; some work as another effective user."""
    etc = server.folder / "etc"
    shutil.copytree("/etc/postfix", etc)
    for name in ("spool", "data", "box"):
        (server.folder / name).mkdir()
    (server.folder / "box").chmod(0o777)
    (etc / "main.cf").write_text(f"""compatibility_level=3.6
config_directory={etc}
queue_directory={server.folder}/spool
data_directory={server.folder}/data
daemon_directory=/usr/lib/postfix/sbin
command_directory=/usr/sbin
inet_interfaces=127.0.0.1
inet_protocols=ipv4
myhostname=h
mydestination=h
mail_spool_directory={server.folder}/box/
local_recipient_maps=
alias_maps=
smtputf8_enable=no
maillog_file={server.folder}/log
maillog_file_prefixes={server.folder.parent}
""")
    master = re.sub(r"^smtp +inet", f"127.0.0.1:{server.port} inet", pathlib.Path("/usr/share/postfix/master.cf.dist").read_text(), flags=re.M)
    (etc / "master.cf").write_text(re.sub(r"^(\S+\s+\S+\s+\S+\s+\S+\s+)y", r"\1n", master, flags=re.M))    # no chroot
    subprocess.run(["chown", "postfix", server.folder / "data"], check=True)
    subprocess.run(["/usr/sbin/postfix", "-c", etc, "check"], check=False, capture_output=True)
    server.start("/usr/lib/postfix/sbin/master", "-c", etc, "-d")

    def delivered():
        texts = (path.read_text(errors="replace") for path in (server.folder / "box").glob("*/new/*"))
        return sorted(int(n) for text in texts for n in re.findall(r"^letter (\d+)$", text, re.M))

    def client():
        first, server.rounds = 3 * server.rounds, server.rounds + 1
        for n in range(first, first + 3):
            with smtplib.SMTP("127.0.0.1", server.port, timeout=SECONDS) as smtp:
                smtp.sendmail("a@h", ["nobody@h"], f"Subject: s\r\n\r\nletter {n}\r\n")
        end = time.monotonic() + SECONDS
        while delivered() != list(range(first + 3)) and time.monotonic() < end:
            time.sleep(0.02)
        return delivered() == list(range(first + 3))
    return client


def name_client(server):
    return lambda: [ask(server.port, "w.x") for _ in range(20)] == [["1.2.3.4"]] * 20


def knotd(server):
    """Threads, and databases that are mapped and written by calls (LMDB)."""
    zone = server.write("zone", ZONE)
    for name in ("db", "run"):
        (server.folder / name).mkdir()
    server.start("/usr/sbin/knotd", "-c", server.write("conf", f"""server:
  rundir: {server.folder}/run
  listen: 127.0.0.1@{server.port}
  user: root:root
database:
  storage: {server.folder}/db
zone:
  - domain: x
    file: {zone}
    zonefile-load: whole
"""))
    return name_client(server)


def pdns(server):
    """Threads that hand questions over by address through pipes."""
    zone = server.write("zone", ZONE)
    named = server.write("named.conf", f'zone "x" {{ type master; file "{zone}"; }};\n')
    server.start("/usr/sbin/pdns_server", "--no-config", "--launch=bind", f"--bind-config={named}", "--local-address=127.0.0.1",
                 f"--local-port={server.port}", "--daemon=no", "--guardian=no", "--disable-syslog", f"--socket-dir={server.folder}",
                 "--security-poll-suffix=")
    return name_client(server)


def memcached(server):
    """Four threads that get their connections from a queue, beside some that take locks all the time."""
    server.start("/usr/bin/memcached", "-u", "nobody", "-l", "127.0.0.1", "-p", str(server.port), "-t", "4")
    stored = []

    def client():
        with socket.create_connection(("127.0.0.1", server.port), SECONDS) as connection, connection.makefile("rwb") as talk:
            for _ in range(20):
                key, last = b"k%d" % len(stored), stored[-5:] or [b"k0"]
                stored.append(key)
                talk.write(b"set %s 0 0 3\r\nabc\r\nget %s\r\n" % (key, last[0]))
                talk.flush()
                if [talk.readline() for _ in range(4)] != [b"STORED\r\n", b"VALUE %s 0 3\r\n" % last[0], b"abc\r\n", b"END\r\n"]:
                    return False
        return True
    return client


class Servers(unittest.TestCase):
    def serve(self, start, killed):
        server = Server(start.__name__)
        try:
            client = start(server)
            self.assertTrue(client(), server.text())
            if killed:
                server.kill_first(killed)
            for _ in range(2):
                self.assertTrue(client(), server.text())
            if killed == "old":
                server.until("a failover", lambda: server.events("failover"))   # the monitor writes when it has heard of it
            self.assertEqual(killed == "old", bool(server.events("failover")), server.text())
            if not killed:
                self.assertEqual([], server.events("crash", "dropped", "hang"), server.text())
        finally:
            server.stop()


    def comes_back(self, server, client, version):
        """The first process of one version is killed; it follows again, and has a checkpoint."""
        ready = lambda: client() and server.status()["checkpoints"][version]["asleep"]
        server.until("a checkpoint", ready)
        back = lambda: [line for line in server.events("recovery") if line["version"] == version and line["result"] == "resynchronised"]
        before = len(back())
        server.kill_first(version)
        self.assertTrue(client(), server.text())
        server.until("the recovery", lambda: len(back()) > before)
        self.assertTrue(client(), server.text())

    def killed_in_turn(self, start):
        server = Server(start.__name__)
        try:
            serve = start(server)

            def client():
                try:
                    return serve()
                except (OSError, EOFError) as error:
                    raise AssertionError(f"{error!r}: {server.text()}") from error
            for leads in (True, False, True, False):
                leader = server.status()["leader"]
                self.comes_back(server, client, leader if leads else {"old": "new", "new": "old"}[leader])
            self.assertEqual([], server.events("dropped", "divergence", "hang"), server.text())
        finally:
            server.stop()


def add_tests():
    for start in (vsftpd, dovecot, postfix, knotd, pdns, memcached):
        def in_turn(self, start=start):
            self.killed_in_turn(start)
        in_turn.__doc__ = f"{start.__doc__} Killed in turn, it comes back each time."
        setattr(Servers, f"test_{start.__name__}_comes_back", in_turn)
        for killed in (None, "old", "new"):
            def test(self, start=start, killed=killed):
                self.serve(start, killed)
            test.__doc__ = f"{start.__doc__} Killed: {killed or 'nobody'}."
            setattr(Servers, f"test_{start.__name__}_{killed or 'nobody'}", test)


add_tests()

if __name__ == "__main__":
    unittest.main(verbosity=2)
