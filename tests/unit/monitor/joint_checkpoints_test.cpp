#include "shim/monitor/joint_checkpoints.h"

#include <gtest/gtest.h>

#include <cstring>
#include <set>

namespace mx::monitor {
namespace {

using namespace stream;

constexpr Version kOld = Version::kOld;
constexpr double kLater = 10;  // seconds: nobody waits that long

// The test plays the agents of two processes that share memory.
class JointCheckpointsTest : public testing::Test {
 protected:
  static constexpr uint32_t kMost = 3;
  JointCheckpointsTest() {
    arena.control().processes_end.store(kMost);
    memset(static_cast<void*>(arena.control().processes), 0, kMost * sizeof(Process));
    for (uint32_t i : {0U, 1U}) be_born(i);
  }
  Process& process(uint32_t i) { return arena.control().processes[i]; }
  Joint& joint() { return arena.control().joint[0]; }
  void be_born(uint32_t i) {
    process(i).state.store(static_cast<uint32_t>(PairState::kPaired));
    process(i).leader.store(static_cast<uint32_t>(Version::kNew));
    process(i).vpid = static_cast<int32_t>(100 + i);
    for (int v : {0, 1}) {
      process(i).alive[v].store(1);
      process(i).sharing[v].store(1);
      process(i).real_pid[v] = 1 << 30;  // no process has such a number
    }
  }
  void make(uint32_t i) {
    Checkpoint& c = process(i).checkpoint[0];
    Sleeper& s = c.sleepers[1 - c.current.load()];
    s.round = joint().round;
    s.slot = joint().slot;
    s.state.store(static_cast<uint32_t>(SleeperState::kAsleep));
  }
  void set(JointPhase p) { joint().phase.store(static_cast<uint32_t>(p)); }
  bool is(JointPhase p) { return joint().phase.load() == static_cast<uint32_t>(p); }
  void round(double now) {
    ASSERT_EQ(2U, checkpoints.begin(kOld, now).size());
    set(JointPhase::kMaking);
    for (uint32_t i : {0U, 1U}) make(i);
    checkpoints.step(now);
  }
  bool current_is_asleep(uint32_t i) {
    return stream::is(current_of(process(i).checkpoint[0]), SleeperState::kAsleep);
  }

  static Arena arena;  // a process has one
  JointCheckpoints checkpoints{arena};
};

Arena JointCheckpointsTest::arena;

TEST_F(JointCheckpointsTest, AllAreAskedAndTakeTheirPlacesTogether) {
  EXPECT_EQ((std::vector<uint32_t>{0, 1}), checkpoints.begin(kOld, 1));
  EXPECT_TRUE(is(JointPhase::kGathering));
  EXPECT_EQ(2U, joint().expected);
  for (uint32_t i : {0U, 1U}) EXPECT_TRUE(process(i).look_up[0].load() & kWantJoint);
  set(JointPhase::kMaking);
  make(0);
  checkpoints.step(1);
  EXPECT_FALSE(current_is_asleep(0));
  EXPECT_FALSE(checkpoints.complete(kOld));
  make(1);
  checkpoints.step(1);
  EXPECT_FALSE(checkpoints.going_on());
  EXPECT_TRUE(checkpoints.complete(kOld));
  for (uint32_t i : {0U, 1U}) EXPECT_TRUE(current_is_asleep(i));
}

TEST_F(JointCheckpointsTest, WhatTakesTooLongIsCalledOffAndTheLastRoundStays) {
  round(1);
  ASSERT_FALSE(checkpoints.begin(kOld, 2).empty());
  set(JointPhase::kMaking);
  make(0);
  checkpoints.step(2 + kLater);
  EXPECT_FALSE(checkpoints.going_on());
  EXPECT_TRUE(is(JointPhase::kCalledOff));
  EXPECT_TRUE(checkpoints.complete(kOld));
  for (uint32_t i : {0U, 1U}) {
    EXPECT_FALSE(process(i).look_up[0].load() & kWantJoint);
    const Checkpoint& c = process(i).checkpoint[0];
    EXPECT_FALSE(stream::is(c.sleepers[1 - c.current.load()], SleeperState::kAsleep));
  }
}

TEST_F(JointCheckpointsTest, AVersionWhoseRoundsComeToNothingIsLeftAloneForAWhile) {
  double now = 1;
  for (int k = 0; k < 3; k++) {
    ASSERT_FALSE(checkpoints.begin(kOld, now).empty()) << k;
    now += 0.1;
    checkpoints.step(now);
    EXPECT_TRUE(checkpoints.begin(kOld, now).empty()) << k;
    now += 1;
  }
  checkpoints.begin(kOld, now);
  checkpoints.step(now + 0.1);
  EXPECT_EQ(2U, checkpoints.begin(Version::kNew, now + 0.1).size())
      << "the other one is not to blame";
}

TEST_F(JointCheckpointsTest, ARoundThatARecoveryInterruptsMayBeginAgain) {
  round(1);
  ASSERT_FALSE(checkpoints.begin(kOld, 2).empty());
  checkpoints.interrupt();
  EXPECT_TRUE(checkpoints.complete(kOld));
  EXPECT_FALSE(checkpoints.begin(kOld, 2).empty());
}

TEST_F(JointCheckpointsTest, OneThatIsBornOrEndsMakesThemWorthless) {
  round(1);
  be_born(2);
  EXPECT_FALSE(checkpoints.complete(kOld));
  process(2).alive[0].store(0);
  EXPECT_TRUE(checkpoints.complete(kOld));
  process(1).alive[0].store(0);
  EXPECT_FALSE(checkpoints.complete(kOld));
  EXPECT_TRUE(checkpoints.complete(kOld, 1)) << "it is the one that is to come back";
}

TEST_F(JointCheckpointsTest, OneThatIsYetToBeBornHasToBeThere) {
  be_born(2);
  process(2).alive[0].store(0);
  process(2).real_pid[0] = 0;
  EXPECT_TRUE(checkpoints.begin(kOld, 1).empty());
  process(2).alive[0].store(1);
  process(2).real_pid[0] = 1 << 30;
  EXPECT_EQ(3U, checkpoints.begin(kOld, 1).size());
}

TEST_F(JointCheckpointsTest, OneThatRunsAloneCannotGoBack) {
  process(1).state.store(static_cast<uint32_t>(PairState::kSolo));
  process(1).leader.store(static_cast<uint32_t>(kOld));
  EXPECT_TRUE(checkpoints.begin(kOld, 1).empty());
  process(1).leader.store(static_cast<uint32_t>(Version::kNew));  // the follower was dropped
  EXPECT_EQ((std::vector<uint32_t>{0}), checkpoints.begin(kOld, 1));
}

TEST_F(JointCheckpointsTest, NoRoundBeforeAllHaveGoneBack) {
  round(1);
  checkpoints.used(kOld);
  current_of(process(0).checkpoint[0]).state.store(static_cast<uint32_t>(SleeperState::kNone));
  EXPECT_TRUE(checkpoints.begin(kOld, 2).empty());
  current_of(process(1).checkpoint[0]).state.store(static_cast<uint32_t>(SleeperState::kNone));
  EXPECT_FALSE(checkpoints.begin(kOld, 2).empty());
}

TEST_F(JointCheckpointsTest, TheOrderOfLocksBeginsWhereItWasWhenTheyWereMade) {
  constexpr uint32_t kNumber = 7, kLaterNumber = 9;
  SharedLock& lock = arena.control().shared_locks[3];
  round(1);
  joint().lock_number[joint().slot][3] = kNumber;
  const uint32_t epoch = joint().epoch.load();
  lock.followed[0][epoch].store(kLaterNumber);
  checkpoints.begin_epoch(kOld);
  ASSERT_NE(epoch, joint().epoch.load());
  EXPECT_EQ(kNumber, lock.followed[0][joint().epoch.load()].load());
  EXPECT_EQ(kLaterNumber, lock.followed[0][epoch].load()) << "of those that have yet to end";
  checkpoints.take_back_epoch(kOld);
  EXPECT_EQ(epoch, joint().epoch.load());
}

TEST_F(JointCheckpointsTest, AMemoryThatIsInUseIsNotWrittenOver) {
  std::set<uint32_t> slots;
  for (int k = 1; k <= 3; k++) {
    round(k);
    slots.insert(joint().slot);
    if (k == 1)  // they have gone back to that one
      for (uint32_t i : {0U, 1U}) process(i).shared_slot[0].store(joint().slot + 1);
  }
  EXPECT_EQ(3U, slots.size());
}

}  // namespace
}  // namespace mx::monitor
