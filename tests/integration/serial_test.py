"""--threads serial: runtimes whose threads decide by memory who does what keep their follower, and survive their leader."""

import os
import signal

from kill_test import SOURCES, lines, take
from mxtest import Exchange, ProgramTest, free_port, main, scenario, settings
from mxtest.debian import made_once, run

CONNECTIONS, REPLIES = 10, 1500
SERIAL = ("--threads", "serial")


def go_program():
    folder = settings.cache() / "go-lines"
    made_once(folder, lambda to: run(["env", "CGO_ENABLED=0", "GO111MODULE=off", f"GOCACHE={settings.cache()}/go", "HOME=/tmp",
                                      "go", "build", "-o", to / "program", SOURCES / "go_lines.go"]))
    return folder / "program"


class Serial(ProgramTest):

    def serve(self, box, command, killed):
        """Both versions do the same from beginning to end; or the leader is killed in the middle, and every reply comes once."""
        port = free_port()
        server = box.start([*command, port], ready=port, options=SERIAL)
        load = Exchange(port, lambda n: lines(n, 10 ** 9), take, connections=CONNECTIONS, depth=4)
        load.start()
        load.wait_for_replies(REPLIES)
        if killed and not box.native:
            os.kill(server.report.pid("old"), signal.SIGKILL)
            server.report.wait("failover", 20)
        load.wait_for_replies(REPLIES)
        load.finish().checked()
        return {"status": server.stop().status}

    @scenario("window", "full")
    def go(self, box):
        return self.serve(box, [go_program()], False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def go_killed(self, box):
        return self.serve(box, [go_program()], True)

    @scenario("window", "full")
    def node(self, box):
        return self.serve(box, ["/usr/bin/node", SOURCES / "node_lines.js"], False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def node_killed(self, box):
        return self.serve(box, ["/usr/bin/node", SOURCES / "node_lines.js"], True)

    @scenario("window", "full")
    def ruby(self, box):
        return self.serve(box, ["/usr/bin/ruby", SOURCES / "ruby_lines.rb"], False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def ruby_killed(self, box):
        return self.serve(box, ["/usr/bin/ruby", SOURCES / "ruby_lines.rb"], True)


if __name__ == "__main__":
    main()
