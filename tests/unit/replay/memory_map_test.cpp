#include "shim/replay/memory_map.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <sstream>

namespace mx::replay {
namespace {

std::vector<Region> parse(const std::string& text) {
  std::istringstream in(text);
  return read_map(in);
}

TEST(MemoryMap, TellsWhatALineSays) {
  const auto map = parse("7f0000001000-7f0000003000 r-xp 00002000 08:01 1234    /usr/lib/a b.so\n");
  ASSERT_EQ(map.size(), 1u);
  EXPECT_EQ(map[0].start, 0x7f0000001000u);
  EXPECT_EQ(map[0].end, 0x7f0000003000u);
  EXPECT_EQ(map[0].protection, PROT_READ | PROT_EXEC);
  EXPECT_FALSE(map[0].shared);
  EXPECT_EQ(map[0].offset, 0x2000u);
  EXPECT_EQ(map[0].path, "/usr/lib/a b.so");
  EXPECT_TRUE(map[0].of_file());
}

TEST(MemoryMap, KnowsMemoryWithoutAFile) {
  const auto map = parse(
      "1000-2000 rw-p 00000000 00:00 0 \n"
      "2000-3000 rw-s 00000000 00:01 9    /memfd:x (deleted)\n"
      "3000-4000 r-xp 00000000 00:00 0    [vdso]\n");
  ASSERT_EQ(map.size(), 3u);
  EXPECT_EQ(map[0].path, "");
  EXPECT_FALSE(map[0].of_file());
  EXPECT_TRUE(map[1].shared);
  EXPECT_TRUE(map[1].of_file());
  EXPECT_TRUE(map[2].of_kernel());
}

TEST(MemoryMap, LeavesOutWhatIsNoMapping) {
  EXPECT_TRUE(parse("").empty());
  EXPECT_TRUE(parse("\n\n").empty());
  EXPECT_TRUE(parse("nonsense\n").empty());
  EXPECT_TRUE(parse("2000-1000 rw-p 00000000 00:00 0\n").empty());
  EXPECT_TRUE(parse("1000-1000 rw-p 00000000 00:00 0\n").empty());
  EXPECT_TRUE(parse("1000-2000\n").empty());
  EXPECT_TRUE(parse("1000-2000 rw-p\n").empty());
  EXPECT_TRUE(parse(std::string(1 << 20, 'f') + "\n").empty());
  EXPECT_EQ(parse("junk\n1000-2000 rw-p 00000000 00:00 0\njunk").size(), 1u);
}

TEST(MemoryMap, ReadsItsOwn) {
  const auto map = map_of(getpid());
  bool found = false;
  for (const Region& r : map) {
    const auto here = reinterpret_cast<uint64_t>(&found);
    found = found || (r.start <= here && here < r.end && r.path == "[stack]");
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(map_of(-1).empty());
}

}  // namespace
}  // namespace mx::replay
