#include "shim/monitor/follower_watch.h"

#include <gtest/gtest.h>

#include <memory>

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
  bool hangs_at(double now) { return !watch.look(*control, now).empty(); }

  std::unique_ptr<Control> control;
  FollowerWatch watch{10};
};

TEST_F(FollowerWatchTest, OneThatTakesNothingHangs) {
  EXPECT_FALSE(hangs_at(1));
  EXPECT_FALSE(hangs_at(11));
  EXPECT_TRUE(hangs_at(12));
}

TEST_F(FollowerWatchTest, OneThatTakesSomethingDoesNot) {
  EXPECT_FALSE(hangs_at(1));
  lane().tail.store(10);
  EXPECT_FALSE(hangs_at(9));
  EXPECT_FALSE(hangs_at(18));
}

TEST_F(FollowerWatchTest, OneIsWatchedFromItsBirth) {
  process().real_pid[1] = 0;
  EXPECT_FALSE(hangs_at(1));
  EXPECT_FALSE(hangs_at(30));
  process().real_pid[1] = 101;
  EXPECT_FALSE(hangs_at(31));
  EXPECT_FALSE(hangs_at(40));
  EXPECT_TRUE(hangs_at(41));
}

}  // namespace
}  // namespace mx::monitor
