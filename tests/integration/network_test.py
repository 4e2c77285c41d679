"""git, curl, dnsmasq."""

import socket
import struct

from mxtest import Failure, ProgramTest, free_port, main, scenario, tree

IDENTITY = {"GIT_AUTHOR_NAME": "A", "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_AUTHOR_DATE": "1600000000 +0000",
            "GIT_COMMITTER_NAME": "A", "GIT_COMMITTER_EMAIL": "a@example.org", "GIT_COMMITTER_DATE": "1600000000 +0000",
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_PAGER": "cat"}


class Git(ProgramTest):

    def git(self, box, *words, cwd=None):
        done = box.run(["/usr/bin/git", *words], env=IDENTITY, cwd=cwd)
        return {"out": done.out, "err": done.err, "status": done.status}

    @scenario("window", "full")
    def clone_log_gc(self, box):
        """init, add, commit, clone over a local path (upload-pack), log, diff, gc with pack threads, fsck."""
        origin, copy = box.path("origin"), box.path("copy")
        tree.make(origin, files=300)
        steps = [self.git(box, "init", "-q", "-b", "main", origin), self.git(box, "add", ".", cwd=origin),
                 self.git(box, "commit", "-q", "-m", "first", cwd=origin)]
        for n in range(3):
            (origin / f"more{n}").write_text(f"text {n}\n" * 500)
            steps += [self.git(box, "add", ".", cwd=origin), self.git(box, "commit", "-q", "-m", f"more {n}", cwd=origin)]
        steps += [self.git(box, "clone", "-q", "--no-local", origin, copy), self.git(box, "log", "--stat", "-p", cwd=copy),
                  self.git(box, "gc", "-q", cwd=copy), self.git(box, "fsck", cwd=copy),
                  self.git(box, "status", "--short", cwd=copy), self.git(box, "diff", "HEAD~2", "--stat", cwd=copy)]
        packs = sorted(p.name for p in copy.glob(".git/objects/pack/*.pack"))
        return {**{f"step {n}": bytes(str(step), "utf-8") for n, step in enumerate(steps)}, "packs": len(packs),
                "files": [line for line in tree.describe(copy) if not line.startswith(".git")]}


class Curl(ProgramTest):

    @scenario("window", "full")
    def download(self, box):
        """From a native lighttpd: a file, several at once, a range, an error, a connection nobody accepts."""
        port, closed = free_port(), free_port()
        box.write("www/a", b"a" * 100_000)
        box.write("www/b", b"b" * 10)
        config = box.write("conf", f"""
            server.document-root = "{box.folder}/www"
            server.port = {port}
            server.bind = "127.0.0.1"
            mimetype.assign = ( "" => "text/plain" )""")
        server = box.start(["/usr/sbin/lighttpd", "-D", "-f", config], ready=port, outside=True)
        url = f"http://127.0.0.1:{port}"

        def curl(*words):
            done = box.run(["/usr/bin/curl", "-sS", *words])
            text = done.err.replace(b"%d" % port, b"PORT").replace(b"%d" % closed, b"CLOSED")
            progress = "--parallel" in words     # it shows speeds, whatever -s says
            return done.status, done.out, b"" if progress else text.partition(b" after ")[0]
        results = [curl("-o", "copy", f"{url}/a"), curl(f"{url}/b", f"{url}/b"), curl("-r", "0-3", f"{url}/a"),
                   curl("-f", f"{url}/none"), curl("--parallel", "-o", "p1", f"{url}/a", "-o", "p2", f"{url}/b"),
                   curl("-w", "%{http_code} %{size_download}", "-o", "/dev/null", f"{url}/a"),
                   curl(f"http://127.0.0.1:{closed}/"), curl("--version")[:1]]
        server.stop()
        return {"results": results, "files": [line for line in tree.describe(box.folder) if not line.startswith("conf")]}


class Dnsmasq(ProgramTest):

    @scenario("window", "full")
    def answers(self, box):
        """A name server on UDP with fixed answers; SIGHUP reads the hosts file again."""
        port = free_port()
        hosts = box.write("hosts", "10.1.2.3 one.test\n")
        box.folder.chmod(0o755)
        server = box.start(["/usr/sbin/dnsmasq", "--keep-in-foreground", "--no-resolv", "--no-hosts", "--user=root",
                            "--conf-file=/dev/null", "--pid-file", f"--addn-hosts={hosts}", f"--port={port}",
                            "--listen-address=127.0.0.1", "--bind-interfaces", "--address=/wild.test/10.9.9.9",
                            "--log-facility=-"], ready=port)
        first = [ask(port, name) for name in ("one.test", "a.wild.test", "two.test", *["one.test"] * 100)]
        box.write("hosts", "10.1.2.3 one.test\n10.4.5.6 two.test\n")
        server.send(1)
        for _ in range(5000):       # dnsmasq has no event for "the file is read"
            again = ask(port, "two.test")
            if again:
                break
        return {"first": first, "again": again, "status": server.stop().status}


def ask(port, name):
    """The IPv4 addresses of a name, by one UDP question."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0" + struct.pack(">HH", 1, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(10)
        client.connect(("127.0.0.1", port))
        client.send(struct.pack(">HHHHHH", 77, 0x0100, 1, 0, 0, 0) + question)
        reply = client.recv(512)
    number, _, _, answers = struct.unpack(">HHHH", reply[:8])
    if number != 77:
        raise Failure(f"a reply to another question: {reply!r}")
    rest = reply[12 + len(question):]
    return [socket.inet_ntoa(rest[16 * n + 12:16 * n + 16]) for n in range(answers)]


if __name__ == "__main__":
    main()
