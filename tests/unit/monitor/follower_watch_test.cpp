#include "shim/monitor/follower_watch.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {
namespace {

using namespace stream;

class FollowerWatchTest : public testing::Test {
 protected:
  FollowerWatchTest() : control(std::make_unique<Control>()) {
    control->lanes_end.store(1);
    lane().in_use.store(1);
    lane().head.store(1000);
    process().state.store(static_cast<uint32_t>(PairState::kPaired));
    process().real_pid[0] = 100;
    process().real_pid[1] = 101;
  }
  Lane& lane() { return control->lanes[0]; }
  Process& process() { return control->processes[0]; }
  bool hangs_within(double from, double to) {
    for (double now = from; now <= to; now++)
      for (const FollowerWatch::Hung& hung : watch.look(*control, now))
        if (hung.for_sure) return true;
    return false;
  }
  bool may_try_again_within(double from, double to) {
    for (double now = from; now <= to; now++)
      if (!watch.look(*control, now).empty()) return true;
    return false;
  }

  std::unique_ptr<Control> control;
  FollowerWatch watch{10};
};

TEST_F(FollowerWatchTest, OneThatTakesNothingHangs) {
  EXPECT_FALSE(hangs_within(1, 11));
  EXPECT_TRUE(hangs_within(12, 14));
}

TEST_F(FollowerWatchTest, OneThatTakesSomethingDoesNot) {
  EXPECT_FALSE(hangs_within(1, 8));
  lane().tail.store(10);
  EXPECT_FALSE(hangs_within(9, 18));
}

TEST_F(FollowerWatchTest, OneIsWatchedFromItsBirth) {
  process().real_pid[1] = 0;
  EXPECT_FALSE(hangs_within(1, 30));
  process().real_pid[1] = 101;
  EXPECT_FALSE(hangs_within(31, 40));
  EXPECT_TRUE(hangs_within(41, 43));
}

// The process sleeps until its pipe is closed.
class Sleeper {
 public:
  Sleeper() {
    EXPECT_EQ(pipe(pipe_), 0);
    pid_ = fork();
    char c;
    if (pid_ == 0) {
      close(pipe_[1]);
      _exit(read(pipe_[0], &c, 1) == 0 ? 0 : 1);
    }
    while (proc_stat(pid_).state != 'S') sched_yield();
  }
  ~Sleeper() {
    close(pipe_[1]);
    waitpid(pid_, nullptr, 0);
    close(pipe_[0]);
  }
  pid_t pid() const { return pid_; }

 private:
  int pipe_[2];
  pid_t pid_;
};

TEST_F(FollowerWatchTest, OneThatDoesNothingWhileTheLeaderWaitsForItsVerdictHangsEarlier) {
  const Sleeper follower;
  process().real_pid[1] = follower.pid();
  lane().activity.store(static_cast<uint32_t>(Activity::kAwaitsVerdict));
  EXPECT_FALSE(hangs_within(1, 3));
  EXPECT_TRUE(hangs_within(4, 5));
}

TEST_F(FollowerWatchTest, OneThatComputesWhileTheLeaderWaitsForItsVerdictDoesNot) {
  process().real_pid[1] = getpid();
  lane().activity.store(static_cast<uint32_t>(Activity::kAwaitsVerdict));
  EXPECT_FALSE(hangs_within(1, 8));
}

TEST_F(FollowerWatchTest, OneThatDoesNothingWhileTheLeaderWaitsForRoomMayTryAgainEarlier) {
  const Sleeper follower;
  process().real_pid[1] = follower.pid();
  EXPECT_FALSE(may_try_again_within(1, 4));
  lane().producer_waits.store(1);
  EXPECT_FALSE(may_try_again_within(5, 5));
  EXPECT_TRUE(may_try_again_within(6, 6));
  EXPECT_FALSE(hangs_within(7, 11));
}

TEST_F(FollowerWatchTest, OneThatMayWaitForAnotherProcessHasTime) {
  const Sleeper follower;
  process().real_pid[1] = follower.pid();
  lane().producer_waits.store(1);
  control->lanes_end.store(2);
  control->lanes[1].in_use.store(1);
  control->lanes[1].process = 1;
  control->lanes[1].head.store(1000);
  control->processes[1].state.store(static_cast<uint32_t>(PairState::kPaired));
  control->processes[1].real_pid[1] = getpid();  // at work
  EXPECT_FALSE(may_try_again_within(1, 8));
}

// Where the watch had no processor, the follower had none either.
TEST_F(FollowerWatchTest, TimeInWhichTheWatchDidNotLookDoesNotCount) {
  EXPECT_FALSE(hangs_within(1, 3));
  EXPECT_FALSE(hangs_within(33, 37));
  EXPECT_TRUE(hangs_within(38, 44));
}

}  // namespace
}  // namespace mx::monitor
