// The cache gives what the finder gives, and believes no file that it should not.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "shim/sites/site_cache.h"

namespace mx::sites {
namespace {

constexpr const char* kLibc = "/lib/x86_64-linux-gnu/libc.so.6";
namespace fs = std::filesystem;

class Cache : public testing::Test {
 protected:
  void SetUp() override {
    root_ = "/tmp/mx-sites-test." + std::string(6, 'X');  // for mkdtemp
    ASSERT_NE(mkdtemp(root_.data()), nullptr);
    directory_ = root_ + "/a/b";
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string only_file() const {
    const auto entry = fs::directory_iterator(directory_);
    EXPECT_EQ(std::distance(fs::begin(entry), fs::end(entry)), 1) << "no temporary file is left";
    return fs::directory_iterator(directory_)->path();
  }
  static void expect_same(const TableBytes& a, const TableBytes& b) {
    EXPECT_TRUE(std::ranges::equal(a.bytes(), b.bytes()));
  }
  /// Fills the cache, lets `damage` change the file, and expects that the file is not believed but
  /// replaced.
  template <typename Damage>
  void expect_rejected(Damage damage) {
    SiteCache cache(directory_);
    const auto first = cache.lookup_or_find(kLibc);
    ASSERT_TRUE(first) << first.error();
    const std::string file = only_file();
    damage(file);
    const auto second = cache.lookup_or_find(kLibc);
    ASSERT_TRUE(second) << second.error();
    expect_same(first.value(), second.value());
    EXPECT_EQ(cache.counts().rejected, 1u);
    EXPECT_EQ(cache.counts().hits, 0u);
    ASSERT_TRUE(cache.lookup_or_find(kLibc));
    EXPECT_EQ(cache.counts().hits, 1u) << "the bad file was replaced";
  }

  std::string root_, directory_;
};

void change_byte(const std::string& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const char byte = static_cast<char>(stream.get() ^ 0x20);
  stream.seekp(at);
  stream.put(byte);
}

TEST_F(Cache, SecondLookUpIsAHitWithTheSameBytes) {
  SiteCache cache(directory_);
  const auto first = cache.lookup_or_find(kLibc);
  const auto second = cache.lookup_or_find(kLibc);
  ASSERT_TRUE(first && second);
  expect_same(first.value(), second.value());
  EXPECT_EQ(cache.counts().misses, 1u);
  EXPECT_EQ(cache.counts().hits, 1u);
  EXPECT_EQ(cache.counts().unwritten, 0u);
}

TEST_F(Cache, FileIsNamedByBuildIdAndReadableByAll) {
  SiteCache cache(directory_);
  const auto table = cache.lookup_or_find(kLibc);
  ASSERT_TRUE(table);
  const std::string file = only_file();
  EXPECT_EQ(fs::path(file).filename().string().size(),
            table.value().table().build_id_size * 2 +
                (".v" + std::to_string(kTableVersion) + ".sites").size());
  struct stat status;
  ASSERT_EQ(stat(file.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0644u);
  ASSERT_EQ(stat(directory_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755u);
}

TEST_F(Cache, DescriptorAndPathGiveTheSame) {
  SiteCache cache(directory_);
  const auto by_path = cache.lookup_or_find(kLibc);
  const int fd = open(kLibc, O_RDONLY);
  const auto by_fd = cache.lookup_or_find(fd);
  EXPECT_EQ(close(fd), 0) << "the descriptor stays open";
  ASSERT_TRUE(by_path && by_fd);
  expect_same(by_path.value(), by_fd.value());
  EXPECT_EQ(cache.counts().hits, 1u);
}

TEST_F(Cache, FileWithoutBuildIdIsNamedByItsCode) {
  SiteCache cache(directory_);
  ASSERT_TRUE(cache.lookup_or_find("/lib/x86_64-linux-gnu/libc.so.6"));
  fs::remove_all(directory_);
  const std::string copy = root_ + "/plain";
  ASSERT_EQ(std::system(("objcopy --remove-section=.note.gnu.build-id " + std::string(kLibc) + " " +
                         copy + " 2>/dev/null")
                            .c_str()),
            0);
  ASSERT_TRUE(cache.lookup_or_find(copy));
  ASSERT_TRUE(cache.lookup_or_find(copy));
  EXPECT_EQ(cache.counts().hits, 1u);
  EXPECT_TRUE(fs::path(only_file()).filename().string().starts_with("code-"));
}

TEST_F(Cache, SameBuildIdWithOtherCodeIsNotBelieved) {
  SiteCache cache(directory_);
  ASSERT_TRUE(cache.lookup_or_find(kLibc));
  const std::string copy = root_ + "/other";
  fs::copy_file(kLibc, copy);
  const auto table = find_sites_file(copy);
  ASSERT_TRUE(table);
  change_byte(copy, table.value().sites()[0].file_offset + 3);
  ASSERT_TRUE(cache.lookup_or_find(copy));
  EXPECT_EQ(cache.counts().rejected, 1u);
}

TEST_F(Cache, ChangedByteIsRejected) {
  expect_rejected([](const std::string& file) { change_byte(file, sizeof(SiteTable) + 100); });
}

TEST_F(Cache, OtherVersionIsRejected) {
  expect_rejected([](const std::string& file) { change_byte(file, 4); });
}

TEST_F(Cache, TruncatedFileIsRejected) {
  expect_rejected([](const std::string& file) { fs::resize_file(file, fs::file_size(file) - 16); });
}

TEST_F(Cache, EmptyFileIsRejected) {
  expect_rejected([](const std::string& file) { fs::resize_file(file, 0); });
}

TEST_F(Cache, FileThatOthersCanWriteIsRejected) {
  expect_rejected([](const std::string& file) { chmod(file.c_str(), 0666); });
}

TEST_F(Cache, SymbolicLinkIsNotFollowed) {
  SiteCache cache(directory_);
  ASSERT_TRUE(cache.lookup_or_find(kLibc));
  const std::string file = only_file();
  fs::rename(file, root_ + "/elsewhere");
  fs::create_symlink(root_ + "/elsewhere", file);
  ASSERT_TRUE(cache.lookup_or_find(kLibc));
  EXPECT_EQ(cache.counts().hits, 0u);
}

TEST_F(Cache, UnwritableDirectoryStillFinds) {
  SiteCache cache("/proc/mx-sites");
  EXPECT_TRUE(cache.lookup_or_find(kLibc));
  EXPECT_EQ(cache.counts().unwritten, 1u);
}

TEST_F(Cache, EmptyDirectoryMeansNoCache) {
  SiteCache cache("");
  EXPECT_TRUE(cache.lookup_or_find(kLibc));
  EXPECT_EQ(cache.counts().hits + cache.counts().misses + cache.counts().unwritten, 0u);
}

TEST_F(Cache, ErrorsNameTheFile) {
  SiteCache cache(directory_);
  const auto missing = cache.lookup_or_find(root_ + "/missing");
  ASSERT_FALSE(missing);
  EXPECT_NE(missing.error().find("/missing"), std::string::npos);
  EXPECT_FALSE(cache.lookup_or_find("/etc/passwd"));
  EXPECT_FALSE(cache.lookup_or_find(root_));
}

}  // namespace
}  // namespace mx::sites
