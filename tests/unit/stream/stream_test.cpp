#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <vector>

#include "shim/stream/arena.h"
#include "shim/stream/event.h"
#include "shim/stream/layout.h"

namespace mx::stream {
namespace {

struct Range {
  const char* name;
  uint64_t begin, size;
};

void expect_apart(std::vector<Range> ranges, uint64_t end) {
  std::sort(ranges.begin(), ranges.end(), [](auto& a, auto& b) { return a.begin < b.begin; });
  for (size_t i = 0; i < ranges.size(); i++) {
    uint64_t next = i + 1 < ranges.size() ? ranges[i + 1].begin : end;
    EXPECT_LE(ranges[i].begin + ranges[i].size, next) << ranges[i].name;
    EXPECT_EQ(ranges[i].begin % kPage, 0u) << ranges[i].name;
  }
}

TEST(Layout, PartsOfTheArenaFileDoNotOverlap) {
  expect_apart({{"image", kAgentImageOffset, kAgentImageLimit},
                {"control", kControlOffset, sizeof(Control)},
                {"lanes", kLanesOffset, kMaxLanes * kLaneStride},
                {"sites", kSitesOffset, kSitesSize},
                {"blank", kBlankOffset, kBlankSize}},
               kArenaSize);
}

TEST(Layout, PartsOfTheAddressRangeDoNotOverlap) {
  expect_apart({{"boot", kBootAddress, kTextAddress - kBootAddress},
                {"text", kTextAddress, kCodeEnd - kTextAddress},
                {"data", kDataAddress, kFirstThread - kDataAddress},
                {"first thread", kFirstThread, kFirstProcess - kFirstThread},
                {"first process", kFirstProcess, kPage},
                {"arena", kArenaBase, kArenaSize},
                {"heap", kHeapBase, kPage}},
               kRangeEnd);
}

TEST(Layout, RingIsAPowerOfTwo) { EXPECT_EQ(kLag & (kLag - 1), 0u); }

TEST(Layout, OneSeccompComparisonOfTheUpperHalfCoversTheAgentsCode) {
  EXPECT_EQ(kAgentBase >> 32, (kCodeEnd - 1) >> 32);
  EXPECT_EQ(kAgentBase & 0xffffffff, 0u);
}

TEST(Arena, ProducerAndConsumerOfALaneUseDifferentCacheLines) {
  EXPECT_EQ(alignof(Lane), 64u);
  EXPECT_NE(offsetof(Lane, head) / 64, offsetof(Lane, tail) / 64);
  EXPECT_NE(offsetof(Lane, tail) / 64, offsetof(Lane, producer_waits) / 64);
}

TEST(Arena, VersionsAreEachOthersOther) {
  EXPECT_EQ(other(Version::kOld), Version::kNew);
  EXPECT_EQ(other(Version::kNew), Version::kOld);
}

TEST(Event, PaddedRoundsUpToEight) {
  for (uint64_t n = 0; n < 100; n++) {
    EXPECT_EQ(padded(n) % 8, 0u);
    EXPECT_GE(padded(n), n);
    EXPECT_LT(padded(n), n + 8);
  }
}

TEST(Event, HeaderHasItsDocumentedBytes) {
  EventHeader h{0x04030201, 0x0605, EventKind::kSignal, kSync, 0x0807060504030201, 9, 10};
  uint8_t bytes[sizeof h];
  std::memcpy(bytes, &h, sizeof h);
  const uint8_t want[32] = {1, 2, 3, 4, 5, 6, 3, 2, 1, 2, 3, 4, 5,
                            6, 7, 8, 9, 0, 0, 0, 0, 0, 0, 0, 10};
  EXPECT_EQ(std::memcmp(bytes, want, sizeof want), 0);
}

TEST(Event, FlagsAreDistinctBits) {
  EXPECT_EQ(kOrdered | kSync | kInterrupted | kRestart | kPrivate | kAsync | kSignalFollows, 127);
}

}  // namespace
}  // namespace mx::stream
