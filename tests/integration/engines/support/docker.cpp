#include "tests/integration/engines/support/docker.hpp"

#include <cstdlib>

namespace mx::engines {

namespace {
// Of the suite that runs: starting one takes as long as most tests.
struct {
  std::filesystem::path folder;
  std::vector<pid_t> daemons;
} shared;
}  // namespace

void Docker::SetUp() {
  if (shared.daemons.empty()) return start();
  folder_ = shared.folder;
  configure("runc");
}

void Docker::TearDown() {
  if (HasFailure()) {  // what it leaves is kept, and not for the others to see
    daemons_.insert(daemons_.begin(), shared.daemons.begin(), shared.daemons.end());
    shared = {};
    return Workshop::TearDown();
  }
  end_daemons(daemons_);
  shell(
      "$DOCKER ps -aq | xargs -r $DOCKER rm -f; $DOCKER volume prune -f; $DOCKER network prune -f");
  shell("rm -rf $W/state/* $W/store/reports/*");
}

void Docker::TearDownTestSuite() {
  end_daemons(shared.daemons);
  if (!shared.folder.empty()) leave(true);
  shared = {};
}

void Docker::start() {
  Workshop::SetUp();
  make_trees();
  add_programs();
  setenv(
      "DOCKER",
      ("timeout --foreground 60 /usr/bin/docker -H unix://" + folder_.string() + "/d.sock").c_str(),
      1);
  // What `mx configure docker` writes is what the daemon runs with.
  ok("$IMAGE configure docker --config $W/daemon.json --runtime $R");
  start_daemon(
      "dockerd --config-file $W/daemon.json --data-root $W/data --exec-root $W/exec"
      " -H unix://$W/d.sock -p $W/d.pid --iptables=false --bridge=none --storage-driver=vfs " +
          daemon_options(),
      folder_ / "dockerd.log");
  ASSERT_TRUE(wait_for("$DOCKER version")) << ok("tail -5 $W/dockerd.log");
  ok("tar -C $W/old -c . | $DOCKER import -c 'CMD [\"/bin/sh\",\"-c\",\"cat /etc/version; sleep "
     "1000\"]'"
     " -c 'ENV WHO=old' - app:old");
  ok("tar -C $W/new -c . | $DOCKER import -c 'CMD [\"/bin/sh\",\"-c\",\"echo new command; sleep "
     "1000\"]'"
     " -c 'ENV WHO=new' - app:new");
  ok("$IMAGE image add --daemon-host unix://$W/d.sock app:new docker-daemon:app:new");
  setenv(
      "RUN",
      (getenv("DOCKER") + std::string(" run --network none --runtime mx -e MX_NEW=image:app:new"))
          .c_str(),
      1);
  shared = {folder_, daemons_};
  daemons_.clear();
}

void Docker::import_redis() {
  add_redis();
  const std::string command =
      " -c 'CMD [\"/usr/bin/redis-server\",\"--port\",\"17450\",\"--save\",\"\"]' - ";
  ok("tar -C $W/old -c . | $DOCKER import" + command + "redis:old");
  ok("tar -C $W/new -c . | $DOCKER import" + command + "redis:new");
  ok("$IMAGE image add --daemon-host unix://$W/d.sock redis:new docker-daemon:redis:new");
}

void Docker::expect_same(const std::string& options, const std::string& command, int status) {
  const std::string run = "$DOCKER run --rm --network none -h box ";
  const Outcome native = shell(run + options + " app:old " + command);
  const Outcome mx =
      shell(run + "--runtime mx -e MX_NEW=image:app:new " + options + " app:old " + command);
  if (status >= 0) {
    EXPECT_EQ(native.status, status) << options << native.errors;
  }
  EXPECT_EQ(mx.status, native.status) << options << " " << command << mx.errors;
  EXPECT_EQ(native.output, mx.output) << options << " " << command;
}

std::string Docker::inspect(const std::string& name, const std::string& format) {
  return ok("$DOCKER inspect -f '{{" + format + "}}' " + name);
}

}  // namespace mx::engines
