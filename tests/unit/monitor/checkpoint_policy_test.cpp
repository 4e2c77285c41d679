#include "shim/monitor/checkpoint_policy.h"

#include <gtest/gtest.h>

#include "shim/monitor/page_cost.h"

namespace mx::monitor {
namespace {

constexpr uint64_t kMiB = 1 << 20, kLog = 64 * kMiB;

Situation busy(double age, uint64_t since) { return {true, true, age, 0, since, kLog}; }

TEST(CheckpointPolicy, AServerThatDoesNothingPaysNothing) {
  EXPECT_FALSE(worth_weighing({true, false, 3600, 3600, 0, kLog}, kCalm));
}

TEST(CheckpointPolicy, LittleWorkIsWeighedSeldomAndCoveredAfterAWhile) {
  EXPECT_FALSE(worth_weighing({true, false, 11, 1, 1000, kLog}, kCalm));
  const Situation later{true, false, 11, 3, 1000, kLog};
  EXPECT_TRUE(worth_weighing(later, kCalm));
  EXPECT_TRUE(worth_making(later, kCalm, 0.01, 0.001));
  EXPECT_FALSE(worth_making({true, false, 9, 3, 1000, kLog}, kCalm, 0.01, 0.001));
}

TEST(CheckpointPolicy, MuchPublishedIsCoveredAsSoonAsItsShareAllows) {
  EXPECT_FALSE(worth_weighing(busy(0.1, kMiB), kCalm));
  EXPECT_TRUE(worth_weighing(busy(0.3, kMiB), kCalm));
  EXPECT_TRUE(worth_making(busy(0.3, kMiB), kCalm, 0.0025, 0.3));
  EXPECT_FALSE(worth_making(busy(0.3, kMiB), kCalm, 0.0035, 0.3));
}

// 10,000 pages, 20 microseconds each: what made redis run at a fifth of its speed.
TEST(CheckpointPolicy, AnExpensiveOneWaits) {
  constexpr double kBurden = 0.2;
  EXPECT_FALSE(worth_making(busy(1, 20 * kMiB), kCalm, kBurden, 1));
  EXPECT_FALSE(worth_making(busy(19.9, 40 * kMiB), kCalm, kBurden, 4))
      << "though the log is half full";
  EXPECT_FALSE(worth_making(busy(19.9, 20 * kMiB), kCalm, kBurden, 10));
  EXPECT_TRUE(worth_making(busy(20.1, 20 * kMiB), kCalm, kBurden, 10));
}

// 10 % of the time rather than none.
TEST(CheckpointPolicy, AFullLogForcesOne) {
  EXPECT_TRUE(worth_making(busy(2.1, 50 * kMiB), kCalm, 0.2, 1));
  EXPECT_FALSE(worth_making(busy(1.9, 50 * kMiB), kCalm, 0.2, 1));
}

TEST(CheckpointPolicy, WithoutOneThereIsHasteButNotAtAnyPrice) {
  const Situation bare{false, false, 0.05, 0.05, 0, kLog};
  EXPECT_TRUE(worth_weighing(bare, kCalm));
  EXPECT_TRUE(worth_making(bare, kCalm, 0.0009, 0));
  EXPECT_TRUE(worth_making(bare, kHot, 0.009, 0));
  EXPECT_FALSE(worth_making(bare, kCalm, 0.2, 0));
}

TEST(CheckpointPolicy, AfterARecoveryTheNextCrashIsNear) {
  EXPECT_TRUE(worth_making(busy(0.06, 64 << 10), kHot, 0.005, 0));
  EXPECT_FALSE(worth_making(busy(0.06, 64 << 10), kCalm, 0.005, 0));
}

TEST(PageCost, IsMeasuredOnceAndPlausible) {
  const double cost = page_copy_seconds();
  EXPECT_GE(cost, 0.3e-6);
  EXPECT_LE(cost, 50e-6);
  EXPECT_EQ(page_copy_seconds(), cost);
}

}  // namespace
}  // namespace mx::monitor
