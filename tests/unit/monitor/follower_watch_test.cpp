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
  bool hangs_within(double from, double to) {
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

// Where the watch had no processor, the follower had none either.
TEST_F(FollowerWatchTest, TimeInWhichTheWatchDidNotLookDoesNotCount) {
  EXPECT_FALSE(hangs_within(1, 3));
  EXPECT_FALSE(hangs_within(33, 37));
  EXPECT_TRUE(hangs_within(38, 44));
}

}  // namespace
}  // namespace mx::monitor
