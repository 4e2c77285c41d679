#include "shim/monitor/proc_text.h"

#include <gtest/gtest.h>

namespace mx::monitor {
namespace {

TEST(ProcText, ReadsAll) { EXPECT_EQ(proc_text("/proc/self/comm").back(), '\n'); }

// read(2) fails after open(2) has not, as it does for a process that has just ended: EISDIR here,
// ESRCH there.
TEST(ProcText, WhatCannotBeReadIsEmpty) {
  std::string text = "?";
  EXPECT_NO_THROW(text = proc_text("/proc/self/task"));
  EXPECT_EQ(text, "");
  EXPECT_EQ(proc_text("/proc/self/none"), "");
}

}  // namespace
}  // namespace mx::monitor
