"""The crash set: historic bugs, each with the program that has it again, a load, the deadly question and its right answer.

`dies` is the exit status of the bad program natively (128 + signal); None: it goes on, with a new process. `kind` is what goes wrong, for the reader.
`setting` names a case of a bug that has more than one.
`not_possible` is a regular expression for the reason that the report may give for not recovering the program, or for dropping it.
`out_before` says why nobody could carry it over as the leader: what is wrong has left the program before it crashes.
"""

import contextlib
import itertools
import os
import pathlib
import struct

from mxtest import free_port, http, resp
from mxtest.exchange import WrongReply

import roots
from talk import Pipes, Tcp, Udp, http_answer


class Case:
    program = bug = kind = None
    setting = ""
    dies = 139
    workers = 8
    not_possible = None
    out_before = None
    writes_first = False    # it writes a report before it dies: a follower goes astray before it crashes

    def __init__(self, box):
        self.box = box
        self.port = free_port()

    # What a case must say:
    #   arguments(program)  the program's arguments; the path of its file, None when its libraries are in roots.FOLDER
    #   plan(number)  endless (question, answer) of one client
    #   deadly()      (question, answer)
    # What it may say:

    def libraries(self, program):
        """The files of this program's that each version must find at the same path; empty when there are none."""
        return []

    def talk(self):
        return Tcp("127.0.0.1", self.port)

    def prepare(self, talk):
        """Before the load."""

    def ready(self):
        """The TCP port that the program listens on, or None."""
        return self.port

    def streams(self):
        """Standard input and output of the program, when it is talked to by these."""
        return None


class Redis(Case):
    program = "redis"

    def arguments(self, program):
        return ["--port", self.port, "--bind", "127.0.0.1", "--save", "", "--dir", self.box.folder, "--crash-memcheck-enabled", "no"]

    def plan(self, number):
        return resp.mixed_commands(number, 10 ** 9)


class RedisHmget(Redis):
    bug, kind = "hmget", "wild pointer"

    def prepare(self, talk):
        talk.ask(resp.request("SET", "string", "x" * 100), resp.OK)

    def deadly(self):
        return resp.request("HMGET", "string", "f"), resp.WRONG_TYPE


class RedisXautoclaim(Redis):
    bug, kind, writes_first = "xautoclaim", "heap overflow, found by an assertion", True
    # It depends on what stands behind its buffer whether it finds the damage or writes an answer from it first.
    out_before = "sometimes it answers, wrongly, and crashes at a later question: as the leader that answer is out, as it would be natively"
    not_possible = "the sequences of system calls differ"   # as the follower: the version that answered otherwise is dropped

    def prepare(self, talk):
        for word in (("XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"),):
            talk.ask(resp.request(*word), resp.OK)
        for n in range(1, 9):
            talk.ask(resp.request("XADD", "s", f"{n}-1", "f", "v"), resp.bulk(f"{n}-1"))
        entries = [resp.array(resp.bulk(f"{n}-1"), resp.array(resp.bulk("f"), resp.bulk("v"))) for n in range(1, 9)]
        talk.ask(resp.request("XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"),
                 resp.array(resp.array(resp.bulk("s"), resp.array(*entries))))
        talk.ask(resp.request("XTRIM", "s", "MAXLEN", "0"), resp.integer(8))

    def deadly(self):
        return (resp.request("XAUTOCLAIM", "s", "g", "c", "0", "0", "COUNT", 1 << 60), resp.error("ERR COUNT must be > 0"))


class RedisAcl(Redis):
    bug, kind, dies, writes_first = "acl", "assertion (panic)", 134, True

    def deadly(self):
        commands = [("MULTI",), ("ACL", "SETUSER", "u", "%~*"), ("ACL", "LIST"), ("EXEC",)]
        answers = [resp.OK, resp.simple("QUEUED"), resp.simple("QUEUED"),
                   resp.array(resp.error("ERR Error in ACL SETUSER modifier '%~*': Syntax error"),
                              resp.array(resp.bulk("user default on nopass ~* &* +@all")))]
        return b"".join(resp.request(*c) for c in commands), b"".join(answers)


class RedisStruct(Redis):
    bug, kind = "struct", "out of bounds, in a function called through a pointer of Lua"

    def deadly(self):
        script = "return pcall(struct.pack, '>I2147483648', '10') and 1 or 0"
        return resp.request("EVAL", script, "0"), resp.integer(0)


class Web(Case):
    """A web server with /good.html of 10,000 bytes."""

    def page(self):
        self.box.write("www/good.html", b"g" * 10_000)

    def plan(self, number):
        return itertools.repeat((http.request("/good.html"), http_answer(200, b"g" * 10_000)))


class Lighttpd(Web):
    program = "lighttpd"
    config = ""

    def arguments(self, program):
        self.page()
        modules = roots.FOLDER if program is None else self.modules(program)
        return ["-D", "-m", modules, "-f", self.box.write("lighttpd.conf", f"""
            server.document-root = "{self.box.folder}/www"
            server.port = {self.port}
            server.bind = "127.0.0.1"
            server.max-keep-alive-requests = 65535
            server.errorlog = "{self.box.folder}/error.log"
            mimetype.assign = ( ".html" => "text/html" )
            {self.config}""")]


    @staticmethod
    def modules(program):
        return pathlib.Path(program).parents[1] / "lib/lighttpd"


class LighttpdEtag(Lighttpd):
    bug, kind = "etag", "out of bounds"
    config = '$HTTP["url"] == "/crash.html" { static-file.etags = "disable" }'

    def arguments(self, program):
        self.box.write("www/crash.html", b"served")
        return super().arguments(program)

    def deadly(self):
        return http.request("/crash.html"), http_answer(200, b"served")


class NginxBody(Web):
    program, bug, kind = "nginx", "body", "null pointer, in a function called through a table"
    processes = "master_process off"

    def arguments(self, program):
        self.page()
        self.box.write("www/crash.html", b"served")
        self.box.path("logs").mkdir(exist_ok=True)
        temporary = "".join(f"{name}_temp_path {self.box.folder}/tmp-{name};"
                            for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        config = self.box.write("nginx.conf", f"""
            daemon off; {self.processes}; pid {self.box.folder}/nginx.pid; error_log {self.box.folder}/error.log;
            events {{}}
            http {{
              access_log off; {temporary}
              server {{
                listen 127.0.0.1:{self.port}; root {self.box.folder}/www; keepalive_requests 1000000;
                location /crash.html {{ add_header Body $request_body; }}
              }}
            }}""")
        return ["-p", self.box.folder, "-c", config]

    def deadly(self):
        return http.request("/crash.html"), http_answer(200, b"served")


class NginxBodyWorkers(NginxBody):
    """Its processes share memory: all of a version's go back together."""
    setting, kind, dies = "workers", "null pointer, in one of two processes that share memory", None
    processes = "worker_processes 2"


class MemcachedLru(Case):
    program, bug, kind = "memcached", "lru", "null pointer, in a program with threads"

    def arguments(self, program):
        return ["-u", "root", "-t", "1", "-l", "127.0.0.1", "-p", self.port, "-U", "0"]

    def plan(self, number):
        for n in itertools.count():
            value = b"%d-%d" % (number, n)
            yield b"set k%d 0 0 %d\r\n%s\r\n" % (number, len(value), value), b"STORED\r\n"
            yield b"get k%d\r\n" % number, b"VALUE k%d 0 %d\r\n%s\r\nEND\r\n" % (number, len(value), value)

    def deadly(self):
        return b"lru mode\r\n", b"ERROR\r\n"


class OnPipes(Case):
    """A program that reads questions from its standard input."""
    workers = 1

    def __init__(self, box):
        super().__init__(box)
        self._pipes = Pipes()

    def ready(self):
        return None

    def streams(self):
        return self._pipes

    def talk(self):
        return self._pipes


class BashPopd(OnPipes):
    program, bug, kind = "bash", "popd", "memory freed that is not its own"

    def arguments(self, program):
        return ["--norc", "--noprofile"]

    def prepare(self, talk):
        talk.ask(b"pushd / > /dev/null; echo ready\n", b"ready\n")

    def plan(self, number):
        for n in itertools.count():
            yield b"x=%d; for i in 1 2 3; do x=$((x + i)); done; echo $x\n" % n, b"%d\n" % (n + 6)

    def deadly(self):
        return b"popd +-1111111 2> /dev/null; echo $?\n", b"1\n"


class Sqlite3Stat1(OnPipes):
    program, bug, kind, dies = "sqlite3", "stat1", "division by zero, in a shared library", 136

    def arguments(self, program):
        return ["-interactive", ":memory:"]

    def libraries(self, program):
        return [pathlib.Path(program).with_name("libsqlite3.so.0")]

    def prepare(self, talk):
        """The prompt is what makes it write out its answers."""
        talk.ask(b"", lambda buffer: len(buffer) if buffer.endswith(b"sqlite> ") else 0)
        talk.ask(b".prompt '>' ''\n", b">")
        for text in ("CREATE TABLE t(a, b); CREATE INDEX i ON t(a);", "INSERT INTO t VALUES (1, 2), (3, 4);", "ANALYZE;",
                     "DELETE FROM sqlite_stat1;",
                     "INSERT INTO sqlite_stat1 VALUES('t', NULL, '10000 sz=0'), ('t', 'i', '10000 10');"):
            talk.ask(text.encode() + b"\n", b">")

    def plan(self, number):
        for n in itertools.count():
            yield b"SELECT %d * 3, upper('abc');\n" % n, b"%d|ABC\n>" % (n * 3)

    def deadly(self):
        """It is the second question on the same table that meets the statistics."""
        return b"ANALYZE sqlite_schema; SELECT b FROM t WHERE a = 3;\n", b"4\n>"


class JsonDepth(OnPipes):
    program, bug, kind = "jsoncpp", "depth", "stack overflow; C++, the right answer is an exception; in a shared library"

    def arguments(self, program):
        return []

    def libraries(self, program):
        return [pathlib.Path(program).with_name("libjsoncpp.so.25")]

    def plan(self, number):
        for n in itertools.count():
            if n % 2:
                yield b'{"a":[%d, true],"b":"text"}\n' % n, b'{"a":[%d,true],"b":"text"}\n' % n
            else:
                yield b"[1, 2\n", b"not JSON\n"

    def deadly(self):
        return b"[" * 60_000 + b"\n", b"refused: Exceeded stackLimit in readValue().\n"


class Dnsmasq(Case):
    program = "dnsmasq"

    def __init__(self, box):
        super().__init__(box)
        self.address = f"127.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}.9"     # TFTP has one port only

    def arguments(self, program):
        self.box.write("tftp/file", b"hello")
        return ["--keep-in-foreground", f"--port={self.port}", f"--listen-address={self.address}", "--bind-interfaces",
                "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--address=/test/10.1.2.3", "--enable-tftp",
                f"--tftp-root={self.box.folder}/tftp", "--user=root", "--pid-file", f"--log-facility={self.box.folder}/log"]

    def ready(self):
        return None

    def talk(self):
        return Udp(self.address)

    @staticmethod
    def query(number):
        """For the address of host.test."""
        return struct.pack(">6H", number & 0xffff, 0x0100, 1, 0, 0, 0) + b"\4host\4test\0" + struct.pack(">2H", 1, 1)

    @staticmethod
    def answers(number):
        return lambda answer: answer[:2] == struct.pack(">H", number & 0xffff) and answer.endswith(b"\x0a\1\2\3")

    def prepare(self, talk):
        """UDP tells nobody that it is being listened to."""
        for _ in range(300):
            try:
                with contextlib.closing(Udp(self.address, silence=0.1)) as asking:
                    asking.ask((self.port, self.query(7)), lambda answer: True)
                return
            except (WrongReply, OSError):
                pass
        raise TimeoutError("dnsmasq does not answer")

    def plan(self, number):
        for n in itertools.count():
            yield (self.port, self.query(n)), self.answers(n)


class DnsmasqTftp(Dnsmasq):
    bug, kind = "tftp", "null pointer, in a function that is active at the event before the crash"

    def deadly(self):
        return (69, b"\0\1file\0octet\0blksize\0"), lambda answer: answer == b"\0\3\0\1hello"


class DnsmasqEdns(Dnsmasq):
    bug, kind = "edns", "out of bounds"

    def deadly(self):
        return (self.port, self.query(8) + bytes(600)), self.answers(8)


CASES = [RedisHmget, RedisXautoclaim, RedisAcl, RedisStruct, LighttpdEtag, NginxBody, NginxBodyWorkers, MemcachedLru, BashPopd,
         Sqlite3Stat1, JsonDepth, DnsmasqTftp, DnsmasqEdns]
