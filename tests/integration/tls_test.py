"""TLS servers as two versions: what OpenSSL draws at random is the same in both, so a connection outlives a leader."""

import os
import signal
import socket
import ssl
import subprocess

from mxtest import ProgramTest, free_port, main, resp, scenario
from mxtest.debian import redis_servers

LOST = ("crash", "failover", "recovery")


def certificate(box):
    """Its files: key, certificate."""
    key, cert = box.path("key.pem"), box.path("cert.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", cert, "-subj", "/CN=localhost",
                    "-days", "2"], check=True, capture_output=True)
    return key, cert


def context(version=None):
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    if version:
        trusting.minimum_version = trusting.maximum_version = version
    return trusting


def connect(port, trusting, session=None):
    return trusting.wrap_socket(socket.create_connection(("127.0.0.1", port), 30), session=session)


def kill_leader(box, server):
    if not box.native:
        os.kill(server.report.pid("old"), signal.SIGKILL)
        server.report.wait("failover", 20)


class Nginx(ProgramTest):

    def start(self, box):
        port, (key, cert) = free_port(), certificate(box)
        box.write("www/a", b"a" * 100_000)
        for path in (box.folder, box.path("www"), box.path("www/a")):
            path.chmod(0o755)
        config = box.write("nginx.conf", f"""
            daemon off; master_process off; error_log {box.folder}/errors; pid {box.folder}/pid; user root;
            events {{ }}
            http {{ access_log off; server {{ listen 127.0.0.1:{port} ssl; root {box.folder}/www; ssl_protocols TLSv1.2 TLSv1.3;
                ssl_certificate {cert}; ssl_certificate_key {key}; }} }}""")
        server = box.start(["/usr/sbin/nginx", "-p", box.folder, "-c", config], ready=port)
        return server, port

    def get(self, talk):
        talk.sendall(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < 100_000:
            part = talk.recv(65536)
            if not part:
                break
            answer += part
        return answer.partition(b"\r\n\r\n")[2] == b"a" * 100_000

    def rounds(self, port, version):
        """A connection, and one that goes on with its session."""
        trusting = context(version)
        with connect(port, trusting) as talk:
            right, session = [self.get(talk) for _ in range(3)], talk.session
        with connect(port, trusting, session) as talk:
            return [*right, self.get(talk), talk.session_reused]

    @scenario("window", "full")
    def served(self, box):
        server, port = self.start(box)
        right = [self.rounds(port, v) for v in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
        return {"right": right, "status": server.stop(signal.SIGQUIT).status}

    @scenario("window", "full", allow=LOST)
    def connection_outlives_the_leader(self, box):
        server, port = self.start(box)
        with connect(port, context()) as talk:
            right = [self.get(talk)]
            kill_leader(box, server)
            right += [self.get(talk) for _ in range(20)]
        right.append(self.rounds(port, ssl.TLSVersion.TLSv1_3))
        return {"right": right, "status": server.stop(signal.SIGQUIT).status}


class Redis(ProgramTest):

    @scenario("window", "full", allow=LOST)
    def two_releases(self, box):
        """Debian's two releases; a client's connection outlives the leader."""
        port, (key, cert), (old, new) = free_port(), certificate(box), redis_servers()
        server = box.start([old, "--port", "0", "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-auth-clients", "no",
                            "--dir", box.folder, "--save", ""], new, ready=port)
        with connect(port, context()) as talk, talk.makefile("rb") as replies:
            def incr():
                talk.sendall(resp.request("INCR", "n"))
                return replies.readline()
            counted = [incr() for _ in range(50)]
            kill_leader(box, server)
            counted += [incr() for _ in range(50)]
        return {"counted": counted, "status": server.stop().status}


if __name__ == "__main__":
    main()
