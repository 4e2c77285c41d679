"""--threads serial: runtimes whose threads decide by memory who does what keep their follower, and survive their leader."""

import os
import signal

from kill_test import SOURCES, lines, take
from language_test import go_program
from mxtest import Exchange, ProgramTest, free_port, main, scenario

CONNECTIONS, REPLIES = 10, 1500
SERIAL = ("--threads", "serial")
NODE = ("/usr/bin/node", SOURCES / "node_lines.js")
RUBY = ("/usr/bin/ruby", SOURCES / "ruby_lines.rb")


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
        return self.serve(box, [go_program("go_lines.go")], False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def go_killed(self, box):
        return self.serve(box, [go_program("go_lines.go")], True)

    @scenario("window", "full")
    def node(self, box):
        return self.serve(box, NODE, False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def node_killed(self, box):
        return self.serve(box, NODE, True)

    @scenario("window", "full")
    def ruby(self, box):
        return self.serve(box, RUBY, False)

    @scenario("window", "full", allow=("failover", "crash", "recovery"))
    def ruby_killed(self, box):
        return self.serve(box, RUBY, True)


if __name__ == "__main__":
    main()
