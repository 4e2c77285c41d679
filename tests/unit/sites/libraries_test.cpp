// What the finder makes of the code it is for: Debian's libraries and static programs.
#include <gtest/gtest.h>

#include <algorithm>
#include <ctime>
#include <map>
#include <ostream>
#include <string>
#include <string_view>

#include "shim/sites/find_sites.h"
#include "shim/sites/lock_entries.h"
#include "shim/sites/mapped_file.h"
#include "shim/sites/site_cache.h"

namespace mx::sites {
namespace {

struct Expected {
  const char* name;
  const char* path;
  unsigned sites;     // at least
  double rewritable;  // share, at least
};

void PrintTo(const Expected& expected, std::ostream* out) { *out << expected.path; }

class Library : public testing::TestWithParam<Expected> {};

TEST_P(Library, MostSitesAreRewritable) {
  const auto found = find_sites_file(GetParam().path);
  ASSERT_TRUE(found) << found.error();
  const SiteTable& table = found.value().table();
  EXPECT_GE(table.count, GetParam().sites);
  EXPECT_GE(table.rewritable, table.count * GetParam().rewritable)
      << table.rewritable << " of " << table.count;
}

/// Every rewritable site holds one syscall where it says, and the table is valid by the cache's
/// rules.
TEST_P(Library, TableIsConsistentWithTheFile) {
  const auto file = MappedFile::open(GetParam().path);
  ASSERT_TRUE(file) << file.error();
  const Bytes bytes = file.value().bytes();
  const auto found = find_sites(bytes);
  ASSERT_TRUE(found) << found.error();
  EXPECT_TRUE(valid_table(found.value().bytes()));
  for (const Site& site : found.value().sites()) {
    const auto region = slice(bytes, site.file_offset, site.len);
    ASSERT_TRUE(region) << std::hex << site.offset;
    EXPECT_EQ((*region)[site.syscall_at], 0x0f) << std::hex << site.offset;
    EXPECT_EQ((*region)[site.syscall_at + 1], 0x05) << std::hex << site.offset;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Debian, Library,
    testing::Values(Expected{"libc", "/lib/x86_64-linux-gnu/libc.so.6", 400, 0.95},
                    Expected{"loader", "/lib64/ld-linux-x86-64.so.2", 30, 0.95},
                    Expected{"bash", "/bin/bash", 0, 1.0},
                    Expected{"busybox_static", "/bin/busybox", 200, 0.95},
                    Expected{"musl_libc", "/lib/ld-musl-x86_64.so.1", 400, 0.95},
                    Expected{"musl_static_stripped", MUSL_PROGRAM, 10, 0.80}),
    [](const auto& info) { return info.param.name; });

/// Independent of .eh_frame, symbols and our decoding: glibc's inline syscalls check errno.
TEST(Libc, FindsEverySyscallWithAnErrnoCheck) {
  const auto file = MappedFile::open("/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_TRUE(file) << file.error();
  const auto found = find_sites(file.value().bytes());
  ASSERT_TRUE(found) << found.error();
  std::map<uint32_t, const Site*> by_syscall;
  for (const Site& site : found.value().sites())
    by_syscall[site.file_offset + site.syscall_at] = &site;

  const Bytes bytes = file.value().bytes();
  static constexpr uint8_t kPattern[] = {0x0f, 0x05, 0x48, 0x3d, 0x00, 0xf0, 0xff, 0xff};
  unsigned seen = 0;
  for (auto at = bytes.begin();; ++at) {
    at = std::search(at, bytes.end(), std::begin(kPattern), std::end(kPattern));
    if (at == bytes.end()) break;
    EXPECT_TRUE(by_syscall.contains(static_cast<uint32_t>(at - bytes.begin())));
    ++seen;
  }
  EXPECT_GE(seen, 200u);
}

/// The return from a signal handler stays: unwinders look at its bytes.
TEST(Libc, SignalReturnIsRefused) {
  const auto found = find_sites_file("/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_TRUE(found) << found.error();
  const auto sites = found.value().sites();
  EXPECT_EQ(std::ranges::count(sites, Reason::kSignalReturn, &Site::reason), 1);
}

/// Processor time, best of five: a bound against growing worse by an order, not a benchmark.
TEST(Libc, IsFoundInATenthOfASecond) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) {
    const std::clock_t start = std::clock();
    ASSERT_TRUE(find_sites_file("/lib/x86_64-linux-gnu/libc.so.6"));
    best = std::min(best, double(std::clock() - start) / CLOCKS_PER_SEC);
  }
  RecordProperty("milliseconds", std::to_string(best * 1e3));
  EXPECT_LT(best, 0.1);
}

bool hooked(std::string_view library, std::string_view function) {
  const auto found = find_sites_file(std::string(library));
  if (!found) return false;
  const auto entries = found.value().lock_entries();
  return std::ranges::any_of(entries, [&](const LockEntry& entry) {
    return entry.len >= 5 && kLockFunctions[entry.function].name == function;
  });
}

bool of_libc(LockKind kind) { return kind != LockKind::kAddress && !is_random(kind); }

// What the agent hooks to keep the order of lock acquisitions: one
// that is missing (sem_trywait was: it loops to its first bytes) would
// be missed in silence, and threads that meet there go different ways.
TEST(LockEntries, LibcHasAllOfThem) {
  for (const LockFunction& function : kLockFunctions) {
    const std::string_view name = function.name;
    if (!of_libc(function.kind) || name.starts_with("__cxa_")) continue;
    const bool too_large = name == "pthread_rwlock_tryrdlock";
    EXPECT_EQ(hooked("/lib/x86_64-linux-gnu/libc.so.6", name), !too_large) << name;
  }
}

TEST(LockEntries, MuslHasThem) {
  for (const char* name : {"pthread_mutex_lock", "pthread_mutex_trylock", "pthread_cond_timedwait",
                           "pthread_rwlock_tryrdlock", "sem_wait", "sem_trywait", "sem_timedwait"})
    EXPECT_TRUE(hooked("/lib/ld-musl-x86_64.so.1", name)) << name;
}

// … and what makes random numbers, in a process with one thread, too.
TEST(LockEntries, RandomNumbers) {
  const char* crypto = "/lib/x86_64-linux-gnu/libcrypto.so.3";
  for (const char* name : {"RAND_bytes_ex", "RAND_priv_bytes_ex"})
    EXPECT_TRUE(hooked(crypto, name)) << name;
  EXPECT_FALSE(hooked(crypto, "RAND_bytes"));  // it calls the other one
  EXPECT_TRUE(hooked("/lib/x86_64-linux-gnu/libstdc++.so.6", "_ZNSt13random_device9_M_getvalEv"));
}

TEST(LockEntries, ALibraryWithoutThreadsHasNone) {
  const auto found = find_sites_file("/lib/x86_64-linux-gnu/libm.so.6");
  ASSERT_TRUE(found);
  EXPECT_TRUE(found.value().lock_entries().empty());
}

}  // namespace
}  // namespace mx::sites
