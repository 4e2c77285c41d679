// The table against the system's own headers, and the rules that say how large arguments are.
#include "shim/syscalls/syscalls.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace mx::sys {
namespace {

TEST(Describe, FindsEveryListedNumber) {
  int listed = 0;
  for (long nr = 0; nr <= kMax; ++nr) {
    const Desc& desc = describe(nr);
    if (desc.nr == 0xffff) {
      EXPECT_TRUE(nr >= 336 && nr <= 423) << nr;
      continue;
    }
    EXPECT_EQ(desc.nr, nr);
    ++listed;
  }
  EXPECT_EQ(listed, 375);
}

TEST(Describe, RefusesWhatIsNotListed) {
  constexpr long kX32Bit = 0x40000000;
  for (long nr : {-1L, 336L, 423L, 463L, 512L, kX32Bit | kRead, 1L << 40}) {
    EXPECT_EQ(std::string_view(name(describe(nr))), "unknown") << nr;
    EXPECT_EQ(describe(nr).treatment, Treatment::kRefuse) << nr;
    EXPECT_FALSE(has(describe(nr), attr::kAbsent)) << nr;
  }
}

TEST(Describe, FieldsOfRead) {
  const Desc& read = describe(kRead);
  EXPECT_EQ(std::string_view(name(read)), "read");
  EXPECT_EQ(read.treatment, Treatment::kLeader);
  EXPECT_EQ(read.ret, RetKind::kSize);
  EXPECT_EQ(read.nargs, 3);
  EXPECT_EQ(read.fd_arg, 0);
  EXPECT_EQ(read.path_arg, -1);
  EXPECT_EQ(read.compare_mask, 0b101);
  EXPECT_EQ(read.in_mask, 0);
  EXPECT_EQ(read.out_mask, 0b010);
  EXPECT_TRUE(has(read, attr::kBlocking | attr::kRestart));
  EXPECT_FALSE(has(read, attr::kHandler));
}

TEST(Describe, PathsKnowTheirDirectory) {
  const Desc& renameat = describe(kRenameat);
  EXPECT_EQ(renameat.args[1].size_arg, 0);
  EXPECT_EQ(renameat.args[3].size_arg, 2);
  EXPECT_EQ(describe(kRename).args[0].size_arg, kNoArg);
  EXPECT_EQ(describe(kSymlinkat).args[2].size_arg, 1);
}

TEST(Sizes, OutputFollowsTheResultUpToTheCapacity) {
  const std::uint64_t args[6] = {3, 0x1000, 100};
  EXPECT_EQ(bytes_out(describe(kRead), 1, args, 7, 0, 0), 7u);
  EXPECT_EQ(bytes_out(describe(kRead), 1, args, -4, 0, 0), 0u);
  // recvfrom with MSG_TRUNC tells the length of the datagram, not of what it wrote.
  EXPECT_EQ(bytes_out(describe(kRecvfrom), 1, args, 1500, 0, 0), 100u);
}

TEST(Sizes, CountOfElementsTimesSize) {
  const std::uint64_t epoll[6] = {3, 0x1000, 64, 1000};
  EXPECT_EQ(bytes_out(describe(kEpollWait), 1, epoll, 5, 0, 0), 60u);
  const std::uint64_t poll[6] = {0x1000, 3, 0};
  EXPECT_EQ(bytes_in(describe(kPoll), 0, poll, 0), 24u);
  EXPECT_EQ(bytes_out(describe(kPoll), 0, poll, 0, 0, 0), 24u);
  const std::uint64_t iov[6] = {1, 0x1000, 4};
  EXPECT_EQ(bytes_in(describe(kWritev), 1, iov, 0), 64u);
  EXPECT_EQ(bytes_out(describe(kReadv), 1, iov, 4096, 0, 0), 4096u);
}

TEST(Sizes, GetgroupsWithoutRoomWritesNothing) {
  const std::uint64_t ask[6] = {0, 0x1000};
  EXPECT_EQ(bytes_out(describe(kGetgroups), 1, ask, 12, 0, 0), 0u);
  const std::uint64_t take[6] = {16, 0x1000};
  EXPECT_EQ(bytes_out(describe(kGetgroups), 1, take, 12, 0, 0), 48u);
}

TEST(Sizes, ValueAtIsTheSmallerOfBeforeAndAfter) {
  const std::uint64_t args[6] = {3, 0x1000, 0x2000};
  EXPECT_EQ(size_word_address(describe(kAccept), 1, args), 0x2000u);
  EXPECT_EQ(bytes_out(describe(kAccept), 1, args, 4, 16, 110), 16u);
  EXPECT_EQ(bytes_out(describe(kAccept), 1, args, 4, 128, 28), 28u);
  EXPECT_EQ(bytes_out(describe(kAccept), 1, args, -11, 128, 28), 0u);
  const std::uint64_t null[6] = {3, 0, 0};
  EXPECT_EQ(size_word_address(describe(kAccept), 1, null), 0u);
  EXPECT_EQ(bytes_out(describe(kAccept), 1, null, 4, 0, 0), 0u);
}

TEST(Sizes, BitsAreWholeWords) {
  const std::uint64_t args[6] = {65, 0x1000, 0, 0, 0};
  EXPECT_EQ(bytes_in(describe(kSelect), 1, args, 0), 16u);
  EXPECT_EQ(bytes_in(describe(kSelect), 2, args, 0), 0u);
}

TEST(Sizes, NegativeCountIsNothing) {
  const std::uint64_t args[6] = {static_cast<std::uint64_t>(-1), 0x1000};
  EXPECT_EQ(bytes_in(describe(kSetgroups), 1, args, 0), 0u);
}

TEST(Sizes, MessageHasItsTypeBeforeTheText) {
  const std::uint64_t args[6] = {1, 0x1000, 32};
  EXPECT_EQ(bytes_in(describe(kMsgsnd), 1, args, 0), 40u);
  EXPECT_EQ(bytes_out(describe(kMsgrcv), 1, args, 20, 0, 0), 28u);
}

TEST(Sizes, StructureThatTellsItsOwnSize) {
  const std::uint64_t set[6] = {0, 0x1000, 0};
  EXPECT_EQ(size_word_address(describe(kSchedSetattr), 1, set), 0x1000u);
  EXPECT_EQ(bytes_in(describe(kSchedSetattr), 1, set, 56), 56u);
  // statmount(2): the answer tells its length, and is never longer than the buffer.
  const std::uint64_t get[6] = {0x2000, 0x1000, 600, 0};
  EXPECT_EQ(bytes_in(describe(kStatmount), 0, get, 24), 24u);
  EXPECT_EQ(bytes_out(describe(kStatmount), 1, get, 0, 0, 512), 512u);
  EXPECT_EQ(bytes_out(describe(kStatmount), 1, get, 0, 0, 4096), 600u);
}

TEST(Sizes, HandleTooSmallIsWrittenOnErrorUpToItsCapacity) {
  const std::uint64_t args[6] = {0, 0x1, 0x1000, 0x2000, 0};
  EXPECT_EQ(bytes_out(describe(kNameToHandleAt), 2, args, -75, 0, 128), 8u);
  EXPECT_EQ(bytes_out(describe(kNameToHandleAt), 3, args, -75, 0, 0), 4u);
}

TEST(Written, NanosleepTellsTheRestOnlyWhenInterrupted) {
  const std::uint64_t args[6] = {0x1000, 0x2000};
  EXPECT_EQ(bytes_out(describe(kNanosleep), 1, args, 0, 0, 0), 0u);
  EXPECT_EQ(bytes_out(describe(kNanosleep), 1, args, -4, 0, 0), 16u);
}

TEST(Written, WaitWithoutAChildLeavesTheStatusAlone) {
  const std::uint64_t args[6] = {0, 0x1000, 1, 0x2000};
  EXPECT_EQ(bytes_out(describe(kWait4), 1, args, 0, 0, 0), 0u);
  EXPECT_EQ(bytes_out(describe(kWait4), 3, args, 77, 0, 0), 144u);
}

TEST(Compared, UpperHalfOfAnIntIsGarbage) {
  const std::uint64_t a[6] = {0xdeadbeef00000003, 0x1000, 100};
  const std::uint64_t b[6] = {3, 0x9000, 100};
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(compared_value(describe(kRead), i, a), compared_value(describe(kRead), i, b)) << i;
  }
  const std::uint64_t null[6] = {3, 0, 100};
  EXPECT_NE(compared_value(describe(kRead), 1, a), compared_value(describe(kRead), 1, null));
}

TEST(Compared, ModeCountsOnlyWhenAFileMayBeMade) {
  const std::uint64_t read_only[6] = {0, 0x1000, 0, 0644};
  const std::uint64_t create[6] = {0, 0x1000, 0101, 0644};
  EXPECT_EQ(compared_value(describe(kOpenat), 3, read_only), 0u);
  EXPECT_EQ(compared_value(describe(kOpenat), 3, create), 0644u);
  EXPECT_EQ(compared_value(describe(kMkdirat), 2, create), 0101u);
}

TEST(Table, EveryCallOfAKindThatNeedsAHandlerHasOne) {
  for (const Desc& desc : detail::kTable) {
    if (desc.treatment == Treatment::kProcess || desc.treatment == Treatment::kSignal) {
      EXPECT_TRUE(has(desc, attr::kHandler)) << desc.name;
    }
    if (desc.ret == RetKind::kFd && desc.treatment != Treatment::kRefuse) {
      EXPECT_TRUE(desc.treatment == Treatment::kNewFd || desc.treatment == Treatment::kFile ||
                  desc.treatment == Treatment::kBoth)
          << desc.name;
    }
  }
}

TEST(Table, HandlersAreThoseMarked) {
  std::string listed;
#define MX_SYSCALL_HANDLER(id, call)                       \
  EXPECT_TRUE(has(describe(id), attr::kHandler)) << #call; \
  EXPECT_EQ(std::string_view(describe(id).name), #call);   \
  listed += #call " ";
#include "mx/syscalls/handlers.inc"
#undef MX_SYSCALL_HANDLER
  int marked = 0;
  for (const Desc& desc : detail::kTable) marked += has(desc, attr::kHandler);
  int spaces = 0;
  for (char c : listed) spaces += c == ' ';
  EXPECT_EQ(marked, spaces);
}

TEST(Ids, UserIdsAreNoProcesses) {
  const std::uint64_t process[6] = {0, 1000}, group[6] = {1, 1000}, user[6] = {2, 1000};
  EXPECT_TRUE(names_process(describe(kGetpriority), 1, process));
  EXPECT_TRUE(names_process(describe(kSetpriority), 1, group));
  EXPECT_FALSE(names_process(describe(kSetpriority), 1, user));
  EXPECT_FALSE(names_process(describe(kIoprioSet), 1, process));  // no such value of `which`
  EXPECT_TRUE(names_process(describe(kIoprioSet), 1, user));      // IOPRIO_WHO_PGRP
  EXPECT_TRUE(names_process(describe(kKill), 0, process));
  EXPECT_FALSE(names_process(describe(kKill), 1, process));
}

}  // namespace
}  // namespace mx::sys
