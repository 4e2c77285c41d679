// What is done to a running container: signals, pause, exec, files, limits, restarts. Native first.
#include "tests/integration/engines/support/docker.hpp"

namespace mx::engines {
namespace {

class DockerLife : public Docker {
 protected:
  std::string daemon_options() override { return "--experimental"; }

  // Two containers that do the same: "native" and "mx".
  void start_pair(const std::string& options, const std::string& command) {
    ok("$DOCKER run -d --name native --network none " + options + " app:old " + command);
    ok("$RUN -d --name mx " + options + " app:old " + command);
    for (const char* name : {"native", "mx"})
      ASSERT_TRUE(wait_for("$DOCKER logs " + std::string(name) + " 2>&1 | grep -q up"))
          << ok("$DOCKER logs mx");
  }

  // The same command with both names gives the same.
  void expect_both(const std::string& before, const std::string& after = "") {
    const auto run = [&](const std::string& name) {
      const Outcome outcome = shell("$DOCKER " + before + " " + name + " " + after);
      std::string output = outcome.output;
      for (size_t at; (at = output.find(name)) != output.npos;)
        output.replace(at, name.size(), "NAME");
      return output + outcome.errors + "status " + std::to_string(outcome.status);
    };
    EXPECT_EQ(run("native"), run("mx"));
  }

  void remove_pair() { ok("$DOCKER rm -f native mx"); }
};

const char* const kHandler =
    "sh -c 'trap \"echo bye; exit 5\" TERM; trap \"echo usr; exit 6\" USR1; trap \"echo hup\" HUP; "
    "echo up; "
    "while :; do sleep 0.1; done'";

TEST_F(DockerLife, StopAndKill) {
  for (const auto& [options, verb, status] :
       {std::tuple{"--init", "stop -t 10", "5"},
        std::tuple{"--stop-signal USR1", "stop -t 10", "6"}, std::tuple{"", "kill", "137"}}) {
    start_pair(options, kHandler);
    ok("$DOCKER kill -s HUP native && $DOCKER kill -s HUP mx");
    for (const char* name : {"native", "mx"})
      EXPECT_TRUE(wait_for("$DOCKER logs " + std::string(name) + " | grep -q hup"));
    expect_both(verb);
    expect_both("wait");
    EXPECT_EQ(inspect("mx", ".State.ExitCode"), status) << verb;
    EXPECT_EQ(ok("$DOCKER logs native"), ok("$DOCKER logs mx"));
    remove_pair();
  }
  // A program that ignores it is killed after the time.
  start_pair("", "sh -c 'trap \"\" TERM; echo up; while :; do sleep 0.1; done'");
  expect_both("stop -t 1");
  expect_both("wait");
  EXPECT_EQ(inspect("mx", ".State.ExitCode"), "137");
  remove_pair();
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\"")) << ok("ls $W/state");
}

TEST_F(DockerLife, Exec) {
  start_pair("-e A=b --user 1000", kHandler);
  expect_both("exec", "id");
  expect_both("exec -u 0", "sh -c 'id; grep -E \"^(Cap|Seccomp:|NoNew)\" /proc/self/status'");
  expect_both("exec -e C=d -w /etc", "sh -c 'echo $A $C; pwd; cat version'");
  expect_both("exec --privileged", "grep CapEff /proc/self/status");
  expect_both("exec", "sh -c 'echo out; echo err >&2; exit 7'");
  expect_both("exec", "sh -c 'kill -9 $$'");
  expect_both("exec -w /etc/version", "true");
  expect_both("exec", "/etc/version");
  expect_both("exec -u nosuch", "true");
  EXPECT_EQ(ok("echo line | $DOCKER exec -i mx sh -c 'read l; echo got $l'"), "got line");
  ok("$DOCKER exec -d mx sh -c 'echo x > /tmp/detached'");
  EXPECT_TRUE(wait_for("$DOCKER exec mx cat /tmp/detached"));
  const std::string talk =
      MX_SOURCE "/tests/integration/engines/support/terminal.py '$DOCKER exec -it ";
  // (A shell's line editor would ask the terminal where the cursor is, when it gets to it; and the
  // engine sets the size some time after the start.)
  const std::string steps =
      " sh -c \"tty; echo ready; read n; until busybox stty size 2>&1 | grep -q 80; do sleep 0.1; "
      "done; "
      "busybox stty size; exit \\$n\"' 'ready' '4\\n'";
  const Outcome native = shell(talk + "native" + steps), mx = shell(talk + "mx" + steps);
  EXPECT_EQ(mx.status, 4) << mx.output;
  EXPECT_EQ(native.output, mx.output);
  remove_pair();
}

TEST_F(DockerLife, PauseLongerThanTheHangTimeout) {
  start_pair("-e MX_HANG_TIMEOUT=1",
             "sh -c 'i=0; echo up; while :; do i=$((i+1)); echo $i; sleep 0.1; done'");
  expect_both("pause");
  EXPECT_EQ(inspect("mx", ".State.Status"), "paused");
  const std::string before = ok("$DOCKER logs mx | tail -1");
  ok("sleep 3");  // longer than what counts as a hang
  EXPECT_EQ(ok("$DOCKER logs mx | tail -1"), before);
  expect_both("unpause");
  EXPECT_TRUE(wait_for("[ $($DOCKER logs mx | tail -1) -gt $((" + before + " + 20)) ]"));
  EXPECT_EQ(
      ok("grep -E -c '\"(hang|dropped|failover|divergence)\"' $W/state/*/out/report.jsonl || true"),
      "0")
      << report();
  remove_pair();
}

TEST_F(DockerLife, TopStatsCopyUpdateRename) {
  start_pair("", kHandler);
  EXPECT_EQ(ok("$DOCKER top native -eo pid,args | grep -c 'trap .echo bye'"), "1");
  EXPECT_NE(ok("$DOCKER top mx -eo pid,args | grep -c 'trap .echo bye'"),
            "1");  // both versions are seen
  EXPECT_NE(ok("$DOCKER top mx -eo pid,user,args").find("mx-monitor"), std::string::npos);
  EXPECT_NE(ok("$DOCKER stats --no-stream --format '{{.PIDs}}' mx"), "0");
  ok("echo host > $W/file && $DOCKER cp $W/file mx:/tmp/file && $DOCKER cp mx:/etc/version $W/got");
  EXPECT_EQ(ok("cat $W/got"), "old");
  EXPECT_EQ(ok("$DOCKER exec mx cat /tmp/file"), "host");
  expect_both("update --memory 64m --memory-swap 64m --pids-limit 60");
  expect_both("exec",
              "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max");
  ok("$DOCKER rename mx other");
  EXPECT_EQ(ok("$DOCKER exec other cat /etc/version"), "old");
  ok("$DOCKER rename other mx");
  EXPECT_EQ(ok("$DOCKER export mx | tar -xO etc/version"), "old");
  remove_pair();
}

TEST_F(DockerLife, LogsOfBothStreams) {
  start_pair("", "sh -c 'echo up; echo problem >&2; echo end'");
  for (const char* name : {"native", "mx"}) ok("$DOCKER wait " + std::string(name));
  expect_both("logs");
  EXPECT_EQ(shell("$DOCKER logs mx 2>/dev/null").output, "up\nend\n");
  EXPECT_EQ(shell("$DOCKER logs -f mx >/dev/null").errors, "problem\n");
  remove_pair();
}

TEST_F(DockerLife, HealthChecks) {
  const std::string check = " --health-interval 200ms --health-retries 2 --health-cmd ";
  start_pair(check + "'grep -q old /etc/version; test -e /tmp/well'", kHandler);
  for (const char* name : {"native", "mx"}) {
    const std::string status = "$DOCKER inspect -f '{{.State.Health.Status}}' " + std::string(name);
    EXPECT_TRUE(wait_for(status + " | grep -q unhealthy"));
    ok("$DOCKER exec " + std::string(name) + " touch /tmp/well");
    EXPECT_TRUE(wait_for(status + " | grep -q '^healthy'"));
  }
  remove_pair();
}

TEST_F(DockerLife, RestartPolicies) {
  start_pair("--restart on-failure:2", "sh -c 'echo up; exit 3'");
  for (const char* name : {"native", "mx"}) {
    EXPECT_TRUE(wait_for("$DOCKER inspect -f '{{.State.Status}}' " + std::string(name) +
                         " | grep -q exited"));
    EXPECT_EQ(inspect(name, ".RestartCount") + " " + inspect(name, ".State.ExitCode"), "2 3");
  }
  EXPECT_EQ(ok("$DOCKER logs mx | grep -c up"), "3");
  EXPECT_EQ(ok("ls $W/store/reports | wc -l"), "3");  // each start has its report
  remove_pair();
  start_pair("--restart always", "sh -c 'echo up; exec sleep 1000'");
  for (const char* name : {"native", "mx"}) {
    const std::string pid = inspect(name, ".State.Pid");
    ok("kill -9 " + pid);
    EXPECT_TRUE(wait_for("test $($DOCKER inspect -f '{{.State.Pid}}' " + std::string(name) +
                         ") -gt 0 && test $($DOCKER inspect -f '{{.State.Pid}}' " +
                         std::string(name) + ") != " + pid));
    EXPECT_EQ(inspect(name, ".State.Running") + " " + inspect(name, ".RestartCount"), "true 1");
  }
  expect_both("restart -t 1");
  EXPECT_TRUE(wait_for("[ $($DOCKER logs mx | grep -c up) = 3 ]"));
  EXPECT_EQ(ok("$DOCKER exec mx cat /etc/version"), "old");
  remove_pair();
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\"")) << ok("ls $W/state");
}

// The kernel cannot give the monitor's ties to another process.
TEST_F(DockerLife, CheckpointIsRefusedWithASentence) {
  start_pair("", kHandler);
  const Outcome outcome = shell("$DOCKER checkpoint create mx c1");
  EXPECT_NE(outcome.status, 0);
  EXPECT_NE(outcome.errors.find("runs two versions under mx"), std::string::npos) << outcome.errors;
  EXPECT_EQ(inspect("mx", ".State.Running"), "true");
  EXPECT_EQ(ok("$DOCKER exec mx cat /etc/version"), "old");
  remove_pair();
}

TEST_F(DockerLife, OutOfMemoryOfTheCandidate) {
  // The new version's image alone: its own root says how much it takes.
  ok("gcc -static -O1 -o $W/eater " MX_SOURCE "/tests/integration/engines/support/eater.c");
  for (const auto& [version, hunger] : {std::pair{"old", "4"}, std::pair{"new", "300"}})
    ok("cp $W/eater $W/" + std::string(version) + "/bin/ && echo " + hunger + " > $W/" + version +
       "/etc/hunger && tar -C $W/" + version + " -c . | $DOCKER import - eater:" + version);
  ok("$IMAGE image add --daemon-host unix://$W/d.sock eater:new docker-daemon:eater:new");
  ok("$DOCKER run -dit --name box --memory 128m --network none --runtime mx -e "
     "MX_NEW=image:eater:new eater:old /bin/eater");
  ASSERT_TRUE(wait_for("$DOCKER logs box | grep -q ready"));
  const std::string talk =
      MX_SOURCE "/tests/integration/engines/support/terminal.py '$DOCKER attach box' ";
  EXPECT_EQ(shell(talk + "'' 'eat\\n' 'ate' 'who\\n' 'old' '\\x10\\x11' 'escape' ''").status, 1);
  EXPECT_TRUE(
      wait_for("grep -q '\"crash\",\"version\":\"new\",\"signal\":9.*for want of memory' "
               "$W/state/*/out/report.jsonl"))
      << report();
  EXPECT_EQ(inspect("box", ".State.Status") + " " + inspect("box", ".RestartCount"), "running 0");
  EXPECT_EQ(report().find("\"failover\""), std::string::npos) << report();
  ok("$DOCKER rm -f box");
}

}  // namespace
}  // namespace mx::engines
