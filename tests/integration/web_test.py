"""Web servers and a proxy: lighttpd, nginx with workers, apache2 prefork, haproxy."""

import json
import os
import random
import signal
import threading

from control_test import mx, until
from mxtest import Exchange, ProgramTest, connect, free_port, main, scenario
from mxtest import http
from mxtest.http import Expected

SIZES = {"empty.txt": 0, "small.txt": 100, "page.html": 10_240, "large.bin": 300_000}


def site(box):
    """Static files with known content; returns it as {name: bytes}."""
    dice = random.Random(7)
    pages = {name: dice.randbytes(size) for name, size in SIZES.items()}
    for name, content in pages.items():
        path = box.write(f"www/{name}", content)
        os.utime(path, (1_600_000_000, 1_600_000_000))
    box.folder.chmod(0o755)
    box.folder.parent.chmod(0o755)
    return pages


def requests(pages, count, headers=()):
    """A plan for Exchange: static files, HEAD-less keep-alive, a missing one now and then."""
    def plan(number):
        names = list(pages)
        for i in range(count):
            name = names[(number + i) % len(names)]
            if i % 10 == 9:
                yield http.request(f"/missing{i}", headers=headers), Expected(404)
            else:
                yield http.request(f"/{name}", headers=headers), Expected(200, pages[name])
    return plan


def one_by_one(port):
    """Single requests of several kinds, on connections of their own."""
    return [http.get(port, "/small.txt"), http.get(port, "/page.html", headers={"Range": "bytes=100-199"}),
            http.get(port, "/small.txt", method="HEAD"), http.get(port, "/nothing")[0],
            http.get(port, "/small.txt", headers={"If-Modified-Since": "Sun, 13 Sep 2030 12:26:40 GMT"})[0],
            http.get(port, "/small.txt", method="DELETE")[0]]


class Lighttpd(ProgramTest):

    @staticmethod
    def start(box, port, more=""):
        config = box.write("lighttpd.conf", f"""
            server.document-root = "{box.folder}/www"
            server.port = {port}
            server.bind = "127.0.0.1"
            server.errorlog = "{box.folder}/error.log"
            server.modules = ( "mod_access", "mod_accesslog", "mod_rewrite" )
            accesslog.filename = "{box.folder}/access.log"
            accesslog.format = "%m %U %s %b"
            mimetype.assign = ( ".html" => "text/html", "" => "application/octet-stream" )
            {more}""")
        return box.start(["/usr/sbin/lighttpd", "-D", "-f", config], ready=port)

    @scenario("window", "full")
    def static_files(self, box):
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        single = one_by_one(port)
        Exchange(port, requests(pages, 60), http.take, connections=50, depth=4).run().checked()
        # Gracefully: after SIGTERM the status tells whether the server has seen all connections close, which is a matter of time.
        status = server.stop(signal.SIGINT).status
        log = sorted(box.path("access.log").read_bytes().splitlines())
        return {"single": single, "status": status, "log": log}

    @scenario()
    def graceful_stop(self, box):
        """SIGINT: the request on its way is answered, then the server ends."""
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        with connect(port) as connection:
            connection.sendall(http.request("/large.bin")[:-2])
            with connect(port) as second:     # the server has read the first when it answers the second
                second.sendall(http.request("/small.txt", headers=[("Connection", "close")]))
                answer = second.makefile("rb").read().endswith(pages["small.txt"])
            server.send(signal.SIGINT)
            connection.sendall(b"\r\n")
            body = connection.makefile("rb").read().endswith(pages["large.bin"])
        return {"answers": [answer, body], "status": server.wait().status}


class Nginx(ProgramTest):
    """The workers count connections in memory that they share, in an order that is theirs: the number of a connection in
    the error log may differ between the versions (a divergence in the bytes of a write, see docs/limits.md)."""

    @staticmethod
    def start(box, port, workers=2):
        box.path("temp").mkdir()
        config = box.write("nginx.conf", f"""
            daemon off; master_process on; worker_processes {workers}; pid {box.folder}/nginx.pid;
            error_log {box.folder}/error.log notice;
            events {{ worker_connections 512; }}
            http {{
              access_log {box.folder}/access.log; keepalive_requests 100000;
              client_body_temp_path temp/a; proxy_temp_path temp/b; fastcgi_temp_path temp/c;
              uwsgi_temp_path temp/d; scgi_temp_path temp/e;
              types {{ text/html html; }} default_type application/octet-stream;
              server {{ listen 127.0.0.1:{port}; root {box.folder}/www; include {box.folder}/extra*.conf; }}
            }}""")
        return box.start(["/usr/sbin/nginx", "-p", box.folder, "-c", config], ready=port)

    @scenario("window", "full", allow=("divergence",))
    def master_and_two_workers(self, box):
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        single = one_by_one(port)
        Exchange(port, requests(pages, 60), http.take, connections=50, depth=4).run().checked()
        status = server.stop(signal.SIGQUIT).status
        lines = len(box.path("access.log").read_bytes().splitlines())
        return {"single": single, "status": status, "lines": lines}

    @scenario(allow=("divergence",))
    def reload(self, box):
        """SIGHUP: new workers with the new configuration; no request fails meanwhile."""
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        before = http.get(port, "/added")[0]
        box.write("extra.conf", "location /added { return 200 hello; }")
        stop = threading.Event()
        answers = []

        def ask():
            while not stop.is_set():
                answers.append(http.get(port, "/small.txt") == (200, pages["small.txt"]))
        asking = threading.Thread(target=ask)
        asking.start()
        server.send(signal.SIGHUP)
        for _ in range(2000):       # nginx has no event for "the new workers serve"
            after = http.get(port, "/added")
            if after[0] == 200:
                break
        stop.set()
        asking.join()
        return {"before": before, "after": after, "all right": all(answers), "asked": bool(answers),
                "status": server.stop(signal.SIGQUIT).status}

    @scenario()
    def graceful_stop(self, box):
        """SIGQUIT: a request that is on its way is answered first."""
        port, pages = free_port(), site(box)
        server = self.start(box, port, workers=1)
        with connect(port) as connection:
            connection.sendall(http.request("/large.bin")[:-2])
            http.get(port, "/small.txt")
            server.send(signal.SIGQUIT)
            connection.sendall(b"\r\n")
            body = connection.makefile("rb").read().endswith(pages["large.bin"])
        return {"answered": body, "status": server.wait().status}


class Apache(ProgramTest):
    """Two things differ between the versions by nature (docs/limits.md): the order of methods in `Allow:`, which comes from
    a hash table seeded with addresses, and what a child reads in the scoreboard, which it shares with its parent."""

    @staticmethod
    def start(box, port, **how):
        config = box.write("apache.conf", f"""
            ServerRoot {box.folder}
            ServerName localhost
            Listen 127.0.0.1:{port}
            PidFile {box.folder}/pid
            DefaultRuntimeDir {box.folder}
            LoadModule mpm_prefork_module /usr/lib/apache2/modules/mod_mpm_prefork.so
            LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
            LoadModule dir_module /usr/lib/apache2/modules/mod_dir.so
            StartServers 4
            MinSpareServers 1
            MaxSpareServers 4
            MaxRequestWorkers 8
            MaxKeepAliveRequests 0
            ErrorLog {box.folder}/error.log
            DocumentRoot {box.folder}/www
            User www-data
            Group www-data""")
        return box.start(["/usr/sbin/apache2", "-D", "FOREGROUND", "-f", config], ready=port, **how)

    @scenario(allow=("crash", "recovery", "divergence"))
    def worker_comes_back(self, box):
        """With all that have the scoreboard. It maps each page that it serves, and closes the file."""
        port, pages = free_port(), site(box)
        environment = {**os.environ, "MX_STATE_DIR": str(box.path("state"))}
        server = self.start(box, port, options=["--id", "apache"], env=environment)
        load = Exchange(port, requests({"page.html": pages["page.html"]}, 10 ** 9), http.take, connections=2).start()
        load.wait_for_replies(100)
        for _ in range(0 if box.native else 3):
            self.kill_worker(server, environment)
            load.wait_for_replies(100)
        load.finish().checked()
        return {"status": server.stop().status}

    @staticmethod
    def kill_worker(server, environment):
        def status():
            return json.loads(mx("status", "--json", "apache", env=environment).stdout)

        def ready():
            seen = status()
            processes = [seen["checkpoints"], *seen["checkpoints"].get("children", ())]
            return len(processes) == len(seen["versions"]["new"]["pids"]) and all(process["new"]["asleep"] for process in processes)
        until("checkpoints of all processes", ready, server.report.text)
        pids = status()["versions"]["new"]["pids"]
        back = lambda: [line["result"] for line in server.report.events("recovery")]
        before = len(back())
        os.kill(pids[1], signal.SIGKILL)
        until("the recovery of all", lambda: len(back()) >= before + len(pids), server.report.text)
        assert set(back()) == {"resynchronised"}, server.report.text()

    @scenario("window", "full", allow=("divergence",))
    def prefork(self, box):
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        single = one_by_one(port)
        Exchange(port, requests(pages, 60), http.take, connections=4, depth=2).run().checked()
        return {"single": single, "status": server.stop().status}

    @scenario(allow=("divergence", "dropped"))
    def graceful_restart(self, box):
        port, pages = free_port(), site(box)
        server = self.start(box, port)
        before = http.get(port, "/small.txt")
        server.send(signal.SIGUSR1)
        after = [http.get(port, "/small.txt") == (200, pages["small.txt"]) for _ in range(50)]
        return {"before": before, "after": after, "status": server.stop().status}


class Haproxy(ProgramTest):

    @scenario("window", "full")
    def one_thread(self, box):
        """In front of a native lighttpd: HTTP mode, keep-alive on both sides, a rule that answers itself."""
        back, front, pages = free_port(), free_port(), site(box)
        config = box.write("back.conf", f"""
            server.document-root = "{box.folder}/www"
            server.port = {back}
            server.bind = "127.0.0.1"
            mimetype.assign = ( "" => "application/octet-stream" )""")
        backend = box.start(["/usr/sbin/lighttpd", "-D", "-f", config], ready=back, outside=True, tag="backend")
        config = box.write("haproxy.cfg", f"""
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend f
    bind 127.0.0.1:{front}
    http-request return status 200 content-type text/plain string "from the proxy" if {{ path /self }}
    default_backend b
backend b
    server s 127.0.0.1:{back}
""")
        proxy = box.start(["/usr/sbin/haproxy", "-f", config, "-db"], ready=front)
        single = [*one_by_one(front), http.get(front, "/self")]
        Exchange(front, requests(pages, 40), http.take, connections=30, depth=1).run().checked()
        status = proxy.stop().status
        backend.stop()
        return {"single": single, "status": status}


if __name__ == "__main__":
    main()
