// dockerd 20.10 of Debian with its own data folder and socket; `docker run --runtime mx`.
#include "tests/integration/engines/support/docker.hpp"

#include <fstream>

namespace mx::engines {
namespace {

TEST_F(Docker, OptionsOfRunMeanWhatTheyMeanUnderRunc) {
  const std::string look =
      "sh -c 'id; grep -E \"^(Cap|Seccomp:|NoNew|Groups)\" /proc/self/status; env | sort | grep -v "
      "SHLVL; pwd; "
      "ulimit -n; touch /x 2>&1; touch /tmp/x 2>&1; ls /dev; umask; cat /etc/hostname'";
  expect_same("", look);
  expect_same("--user 1000:1000", look);
  expect_same("--cap-drop=ALL", look);
  expect_same("--cap-add=NET_ADMIN --group-add 7", look);
  expect_same("--security-opt no-new-privileges", look);
  expect_same("--read-only --tmpfs /tmp", look);
  expect_same("--init --ulimit nofile=512:512 -w /made", look);
  expect_same("-v $W/libexec:/v:ro", "ls /v");
  expect_same("", "sh -c 'exit 17'", 17);
  expect_same("", "nosuchprogram", 127);
  expect_same("", "/etc/version", 126);
  expect_same("--memory 64m --pids-limit 50",
              "sh -c 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes "
              "/sys/fs/cgroup/pids/pids.max'");
}

TEST_F(Docker, LifeOfAContainer) {
  ok("$DOCKER run -d --name box --network none --runtime mx -e MX_NEW=image:app:new "
     "--health-cmd 'grep old /etc/version' --health-interval 1s app:old "
     "sh -c 'trap \"echo bye; exit 5\" TERM; cat /etc/version; while :; do sleep 0.1; done'");
  ASSERT_TRUE(wait_for("$DOCKER logs box | grep -q old"));
  EXPECT_EQ(ok("$DOCKER exec box cat /etc/version"), "old");
  EXPECT_EQ(ok("$DOCKER exec -u 1000 box id"), "uid=1000(u) gid=1000 groups=1000");
  EXPECT_EQ(ok("$DOCKER exec box env | grep -c MX_ || true"), "0");
  ok("$DOCKER run -d --name native --network none app:old sleep 1000");
  EXPECT_EQ(shell("$DOCKER exec box nosuch").status, shell("$DOCKER exec native nosuch").status);
  EXPECT_NE(shell("$DOCKER exec box nosuch").status, 0);
  EXPECT_EQ(ok("$DOCKER exec box grep CapEff /proc/self/status"),
            ok("$DOCKER run --rm --network none app:old grep CapEff /proc/self/status"));
  EXPECT_TRUE(wait_for("$DOCKER inspect -f '{{.State.Health.Status}}' box | grep -q ^healthy"));
  EXPECT_NE(ok("$DOCKER top box").find("mx-monitor container"), std::string::npos);
  ok("$DOCKER cp box:/etc/version $W/copied && grep old $W/copied");
  EXPECT_EQ(shell("$DOCKER diff box | grep -v -E '^[AC] /(dev|etc|proc|sys|run)'").output, "");
  ok("$DOCKER pause box && $DOCKER unpause box");
  ok("$DOCKER stop -t 10 box");
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.State.ExitCode}}' box"), "5");
  EXPECT_NE(ok("$DOCKER logs box").find("bye"), std::string::npos);
  ok("$DOCKER start box");
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.State.Running}}' box"), "true");
  ok("$DOCKER kill box && $DOCKER rm -f box native");
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  EXPECT_EQ(ok("ls $W/store/containers"), "");
}

TEST_F(Docker, ImagesOwnCommandAndEnvironmentUnlessTheUserGaveOne) {
  ok("$DOCKER run -d --name box --network none --runtime mx -e MX_NEW=image:app:new -e "
     "MX_LEADER=new app:old");
  ASSERT_TRUE(wait_for("$DOCKER logs box | grep -q .")) << ok("cat $W/state/*/in/settings.json");
  EXPECT_EQ(ok("$DOCKER logs box"), "new command");
  const std::string report = ok("cat $W/state/*/out/report.jsonl");
  EXPECT_NE(report.find("own command is"), std::string::npos) << report;
  ok("$DOCKER rm -f box");
  EXPECT_EQ(ok("$DOCKER run --rm --network none --runtime mx -e MX_NEW=image:app:new -e "
               "MX_LEADER=new app:old "
               "sh -c 'cat /etc/version; echo $WHO'"),
            "new\nnew");
}

TEST_F(Docker, ErrorsReachTheUser) {
  const Outcome outcome =
      shell("$DOCKER run --rm --network none --runtime mx -e MX_NEW=image:nosuch app:old true");
  EXPECT_EQ(outcome.status, 125);
  EXPECT_NE(outcome.errors.find("MX_NEW: there is no image nosuch in mx's store"),
            std::string::npos)
      << outcome.errors;
}

// In the foreground of the terminal (timeout --foreground), whether or not the user's shell execs
// its last command.
TEST_F(Docker, TerminalAndAttach) {
  const Outcome mx = shell(
      "script -qec \"$DOCKER run --rm -it --network none --runtime mx -e MX_NEW=image:app:new "
      "app:old sh -c 'tty; stty size 2>/dev/null; test -t 0 && echo terminal'\" /dev/null");
  EXPECT_NE(mx.output.find("terminal"), std::string::npos) << mx.output;
}

// docker's default seccomp profile and capabilities are in force here.
TEST_F(Docker, RedisServesOnWhenItsLeaderIsKilledUnderLoad) {
  import_redis();
  ok("$DOCKER run -d --name box --network host --runtime mx -e MX_NEW=image:redis:new redis:old");
  ASSERT_TRUE(wait_for("redis-cli -p 17450 set key value")) << ok("$DOCKER logs box");
  const std::string before = ok("$DOCKER inspect -f '{{.Id}} {{.State.Pid}}' box");
  start_daemon("redis-benchmark -p 17450 -n 100000 -c 20 -t get,set -q", folder_ / "load");
  ASSERT_TRUE(wait_for("grep -q SET: $W/load"));
  ok("$DOCKER exec box kill -9 " + pid_of("old"));
  ASSERT_TRUE(wait_for("grep -q '\"failover\"' $W/state/*/out/report.jsonl"));
  EXPECT_EQ(ok("redis-cli -p 17450 get key"), "value");
  ASSERT_TRUE(wait_for("grep -q 'GET:.* requests per second' $W/load", 60));
  EXPECT_EQ(ok("grep -i -c error $W/load || true"), "0") << ok("cat $W/load");
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.Id}} {{.State.Pid}}' box"), before);
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.State.Status}} {{.RestartCount}}' box"), "running 0");
  EXPECT_EQ(ok("$DOCKER exec box cat /etc/version"), "new");  // exec enters the leader's root
  ok("$DOCKER stop -t 10 box");
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.State.ExitCode}}' box"), "0");
  ok("$DOCKER rm box");
  EXPECT_EQ(ok("grep -c '\"failover\"' $W/store/reports/*/report.jsonl"), "1");
}

// The worker crashes, in either version.
TEST_F(Docker, NginxServesOnWhenAWorkerCrashesUnderLoad) {
  add_nginx(17452);
  for (const char* version : {"old", "new"})
    ok(std::string("tar -C $W/") + version + " -c . | $DOCKER import - nginx:" + version);
  ok("$IMAGE image add --daemon-host unix://$W/d.sock nginx:new docker-daemon:nginx:new");
  for (const char* version : {"old", "new"}) {
    ok("$DOCKER run -d --name box --network host --runtime mx -e MX_NEW=image:nginx:new nginx:old "
       "/usr/sbin/nginx -c /etc/nginx.conf");
    const std::string before = inspect("box", ".Id") + inspect("box", ".State.Pid");
    crash_under_load(17452, version, true);
    EXPECT_EQ(inspect("box", ".Id") + inspect("box", ".State.Pid"), before);
    EXPECT_EQ(inspect("box", ".State.Status") + " " + inspect("box", ".RestartCount"), "running 0");
    ok("$DOCKER stop -t 10 box");
    EXPECT_EQ(inspect("box", ".State.ExitCode"), "0");
    ok("$DOCKER rm box");
  }
}

// This daemon has no bridge: the host's network, by a second file.
TEST_F(Docker, TheComposeFileRuns) {
  import_redis();
  std::ofstream(folder_ / "network.yaml") << "services:\n  redis:\n    network_mode: host\n";
  const std::string compose = "docker-compose -H unix://$W/d.sock -p mx -f " MX_SOURCE
                              "/examples/compose/compose.yaml -f $W/network.yaml ";
  ok(compose + "up -d");
  ASSERT_TRUE(wait_for("redis-cli -p 17450 set key value")) << ok(compose + "logs");
  ok("$DOCKER exec mx_redis_1 kill -9 " + pid_of("old"));
  ASSERT_TRUE(wait_for("grep -q '\"failover\"' $W/state/*/out/report.jsonl"));
  EXPECT_EQ(ok("redis-cli -p 17450 get key"), "value");
  EXPECT_EQ(ok("$DOCKER inspect -f '{{.State.Status}} {{.RestartCount}}' mx_redis_1"), "running 0");
  ok(compose + "down -v -t 5");
  EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  // Without the second version, as the file says.
  ok("MX_NEW= " + compose + "up -d");
  ASSERT_TRUE(wait_for("redis-cli -p 17450 ping"));
  EXPECT_EQ(ok("ls $W/state"), "");
  ok(compose + "down -v -t 5");
}

TEST_F(Docker, TheExampleRuns) {
  EXPECT_NE(ok("DOCKER=\"$DOCKER\" MX=$IMAGE MX_IMAGE_OPTIONS=\"--daemon-host "
               "unix://$W/d.sock\" " MX_SOURCE "/examples/docker/run.sh")
                .find("\nold\n"),
            std::string::npos);
}

}  // namespace
}  // namespace mx::engines
