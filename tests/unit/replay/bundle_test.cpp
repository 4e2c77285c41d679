#include "shim/replay/bundle.h"

#include <gtest/gtest.h>

#include "tests/unit/replay/temporary_folder.h"

namespace mx::replay {
namespace {

Bundle example() {
  Bundle b;
  b.protocol = 16;
  b.version = 1;
  b.program = "/usr/bin/server";
  b.root = "/srv/new";
  b.folder = "/srv";
  b.crash = {11, "0x401000", "main+0x10"};
  b.turn = ~uint64_t{0};
  b.slot = 1;
  b.lanes = {{0, 64, 128}, {7, 0, ~uint64_t{0} - 1}};
  b.arena = {{4096, 8192}};
  b.files = {{3, "/etc/passwd", 0100000, 17}};
  b.modules = {{"/usr/bin/server", "00ff", 1234}, {"/lib/x.so", "", 0}};
  b.layout = {1, 2, 3};
  b.auxiliary = {6, 4096, 0, 0};
  return b;
}

class BundleFile : public ::testing::Test {
 protected:
  void SetUp() override {
    write_bundle(example(), folder_.path());
    text_ = bytes_of(file_);
  }
  // Read with one thing changed.
  Bundle with(const std::string& from, const std::string& to) {
    std::string text = text_;
    const size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    write_file(file_, text.replace(at, from.size(), to));
    return read_bundle(folder_.path());
  }
  TemporaryFolder folder_;
  const std::string file_ = folder_ / "bundle.json";
  std::string text_;
};

TEST_F(BundleFile, ComesBackAsItWas) {
  const Bundle b = read_bundle(folder_.path());
  EXPECT_EQ(b.protocol, 16u);
  EXPECT_EQ(b.version, 1);
  EXPECT_EQ(b.program, "/usr/bin/server");
  EXPECT_EQ(b.root, "/srv/new");
  EXPECT_EQ(b.folder, "/srv");
  EXPECT_EQ(b.crash.signal, 11);
  EXPECT_EQ(b.crash.symbol, "main+0x10");
  EXPECT_EQ(b.turn, ~uint64_t{0});
  EXPECT_EQ(b.slot, 1u);
  ASSERT_EQ(b.lanes.size(), 2u);
  EXPECT_EQ(b.lanes[1].lane, 7u);
  EXPECT_EQ(b.lanes[1].to, ~uint64_t{0} - 1);
  ASSERT_EQ(b.arena.size(), 1u);
  EXPECT_EQ(b.arena[0].size, 8192u);
  ASSERT_EQ(b.files.size(), 1u);
  EXPECT_EQ(b.files[0].offset, 17u);
  ASSERT_EQ(b.modules.size(), 2u);
  EXPECT_EQ(b.modules[0].build_id, "00ff");
  EXPECT_EQ(b.layout, (std::vector<uint64_t>{1, 2, 3}));
  EXPECT_EQ(b.auxiliary, (std::vector<uint64_t>{6, 4096, 0, 0}));
}

TEST_F(BundleFile, IsRefusedWhereverItIsCut) {
  for (size_t size = 0; size + 2 < text_.size(); size++) {
    write_file(file_, text_.substr(0, size));
    EXPECT_THROW(read_bundle(folder_.path()), std::runtime_error) << size;
  }
}

TEST_F(BundleFile, IsRefusedWithNumbersThatDoNotFit) {
  EXPECT_THROW(with("\"lane\": 7", "\"lane\": 4294967296"), std::runtime_error);
  EXPECT_THROW(with("\"lane\": 7", "\"lane\": -1"), std::runtime_error);
  EXPECT_THROW(with("\"lane\": 7", "\"lane\": 7.5"), std::runtime_error);
  EXPECT_THROW(with("\"lane\": 7", "\"lane\": \"7\""), std::runtime_error);
  EXPECT_THROW(with("\"number\": 3", "\"number\": 2147483648"), std::runtime_error);
  EXPECT_THROW(with("\"size\": 8192", "\"size\": -8192"), std::runtime_error);
  EXPECT_THROW(with("\"size\": 8192", "\"size\": 1e30"), std::runtime_error);
  EXPECT_THROW(with("\"protocol\": 16", "\"protocol\": 18446744073709551615"), std::runtime_error);
}

TEST_F(BundleFile, IsRefusedWithTheWrongParts) {
  EXPECT_THROW(with("\"format\": 1", "\"format\": 2"), std::runtime_error);
  EXPECT_THROW(with("\"program\"", "\"programme\""), std::runtime_error);
  EXPECT_THROW(with("\"/usr/bin/server\"", "[]"), std::runtime_error);
  EXPECT_THROW(with("\"layout\": [", "\"layout\": [{},"), std::runtime_error);
  EXPECT_THROW(with("\"lanes\": [", "\"lanes\": [3,"), std::runtime_error);
  write_file(file_, std::string(200'000, '['));
  EXPECT_THROW(read_bundle(folder_.path()), std::runtime_error);
  write_file(file_, "null");
  EXPECT_THROW(read_bundle(folder_.path()), std::runtime_error);
}

TEST_F(BundleFile, SlotIsOneOfTwo) { EXPECT_EQ(with("\"slot\": 1", "\"slot\": 7").slot, 1u); }

TEST(Bundle, SaysWhereThereIsNone) {
  try {
    read_bundle("/nowhere");
    FAIL();
  } catch (const std::runtime_error& e) {
    EXPECT_STREQ(e.what(), "there is no replay bundle in /nowhere");
  }
}

TEST(Bundle, PathsAreBytes) {
  const TemporaryFolder folder;
  Bundle b = example();
  b.program = "/srv/\xff\xfe";
  write_bundle(b, folder.path());
  EXPECT_NO_THROW(read_bundle(folder.path()));
  EXPECT_THROW(write_bundle(b, folder / "missing"), std::runtime_error);
}

TEST(BuildId, OfAFileThatHasNone) {
  const TemporaryFolder folder;
  write_file(folder / "x", "no program");
  EXPECT_EQ(build_id_of(folder / "x"), "");
  EXPECT_EQ(build_id_of(folder / "missing"), "");
  EXPECT_EQ(build_id_of(folder.path()), "");
}

}  // namespace
}  // namespace mx::replay
