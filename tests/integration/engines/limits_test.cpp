// Limits of memory and of processes, which both versions share: who goes when they are reached.
// runc alone first where there is something to compare.
#include "tests/integration/engines/support/workshop.hpp"

namespace mx::engines {
namespace {

class Limits : public Workshop {
 protected:
  void SetUp() override {
    Workshop::SetUp();
    setenv("ROOT", (folder_ / "rt").c_str(), 1);
    make_trees();
    ok("gcc -static -O1 -o $W/old/bin/eater " MX_SOURCE
       "/tests/integration/engines/support/eater.c && cp $W/old/bin/eater $W/new/bin/");
  }

  // Starts a container with a limit of 128 MiB; the versions take so much at each "eat".
  void start(int old_hunger, int new_hunger, const char* leader = "old") {
    ok("echo " + std::to_string(old_hunger) + " > $W/old/etc/hunger; echo " +
       std::to_string(new_hunger) + " > $W/new/etc/hunger; $IMAGE image add app:new dir:$W/new");
    Json config = default_config();
    config["process"]["args"] = {"/bin/eater"};
    config["annotations"] = {{"run.mx.new", "image:app:new"}, {"run.mx.leader", leader}};
    config["linux"]["resources"]["memory"] = {{"limit", 128 << 20}};
    write_config(config);
    start_container(runtime(), "m");
    expect_lines("m", "ready", 1);
  }

  void say(const std::string& line, const std::string& answer, int count) {
    ok("echo " + line + " > $W/say");
    expect_lines("m", "^" + answer + "$", count);
  }

  bool reported(const std::string& pattern) {
    return wait_for("grep -q '" + pattern + "' $W/state/m/out/report.jsonl");
  }

  void follower_goes() {
    EXPECT_TRUE(reported("\"crash\",\"version\":\"new\",\"signal\":9.*for want of memory"))
        << report();
    say("who", "old", 1);
    EXPECT_EQ(report().find("\"failover\""), std::string::npos) << report();
    stop();
  }

  void stop() {
    EXPECT_EQ(ok("$R --root $ROOT state m | grep -c '\"status\": \"running\"'"), "1");
    ok("$R --root $ROOT kill m KILL");
    EXPECT_TRUE(wait_for("test -z \"$(ls $W/state)\""));
  }
};

TEST_F(Limits, ACandidateThatTakesTooMuchGoesAndTheLeaderLives) {
  start(4, 300);
  say("eat", "ate", 1);
  EXPECT_TRUE(reported("\"crash\",\"version\":\"new\",\"signal\":9.*for want of memory"))
      << report();
  EXPECT_TRUE(reported("\"dropped\",\"version\":\"new\"")) << report();
  EXPECT_TRUE(reported("\"recovery\",\"version\":\"new\",\"result\":\"not possible\"")) << report();
  say("eat", "ate", 2);
  say("who", "old", 1);
  EXPECT_EQ(report().find("\"failover\""), std::string::npos) << report();
  stop();
}

TEST_F(Limits, ALeaderThatTakesTooMuchGoesAndTheOtherVersionLeads) {
  start(4, 300, "new");
  say("eat", "ate", 1);
  EXPECT_TRUE(reported("\"failover\",\"version\":\"old\"")) << report();
  EXPECT_TRUE(reported("\"crash\",\"version\":\"new\",\"signal\":9.*for want of memory"))
      << report();
  say("who", "old", 1);
  stop();
}

TEST_F(Limits, OfTwoThatTakeTheSameTheFollowerGoes) {
  start(70, 70);
  say("eat", "ate", 1);
  follower_goes();
}

// The kernel ends who uses most, and the leader does when its follower lags: it has all that it
// wanted, and the follower what is left. (More than 40 MiB: a smaller victim's memory is freed
// after the kernel takes it for freed, and whoever asks for a page meanwhile, the monitor or the
// leader, makes it choose the next one. docs/containers.md)
TEST_F(Limits, OfTwoThatTakeTheSameTheFollowerGoesAlsoIfItComesLate) {
  start(80, 80);
  const std::string follower = host_pid_of("new");
  ok("kill -STOP " + follower);
  say("eat", "ate", 1);
  ok("kill -CONT " + follower);
  follower_goes();
}

TEST_F(Limits, WhenThereAreNoMoreProcessesTheProgramHearsSoAndGoesOn) {
  ok("$IMAGE image add app:new dir:$W/new");
  Json config = default_config();
  config["process"]["args"] = {"/bin/eater"};
  config["annotations"] = {{"run.mx.new", "image:app:new"}};
  config["linux"]["resources"]["pids"] = {{"limit", 20}};
  write_config(config);
  start_container(runtime(), "m");
  expect_lines("m", "ready", 1);
  // One at a time until it is refused: each child counts twice.
  for (int i = 1; i <= 20 && shell("grep -q refused $W/m.out").status != 0; ++i)
    say("fork", "\\(forked\\|refused\\)", i);
  EXPECT_NE(ok("grep -c forked $W/m.out"), "0");
  say("who", "old", 1);
  stop();
}

}  // namespace
}  // namespace mx::engines
