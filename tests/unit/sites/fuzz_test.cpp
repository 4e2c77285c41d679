// Hostile files: whatever bytes change, the finder ends and gives an error or a valid table.
// The seed is fixed; MX_FUZZ_SECONDS and MX_FUZZ_SEED change how long and from where.
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <vector>

#include "shim/sites/find_sites.h"
#include "shim/sites/mapped_file.h"
#include "shim/sites/site_cache.h"

namespace mx::sites {
namespace {

using Random = std::mt19937_64;
using Clock = std::chrono::steady_clock;

uint64_t setting(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  return text ? std::strtoull(text, nullptr, 0) : fallback;
}

std::vector<std::vector<uint8_t>> seeds() {
  std::vector<std::vector<uint8_t>> files;
  for (const auto& entry : std::filesystem::directory_iterator(GOLDEN_OBJECTS)) {
    const auto file = MappedFile::open(entry.path());
    if (file) files.emplace_back(file.value().bytes().begin(), file.value().bytes().end());
  }
  return files;
}

/// Values that overflow sums, wrap products and end ranges.
uint64_t nasty(Random& random) {
  static constexpr uint64_t kValues[] = {
      0,          1,      0x7f,   0x80,       0xff,       0xffff,     0x7fffffff,        0x80000000,
      0xffffffff, 0x1000, 0x1004, UINT64_MAX, 1ULL << 63, 1ULL << 47, 0xfffffffffffff000};
  return random() % 4 == 0 ? random() : kValues[random() % std::size(kValues)];
}

void mutate(std::vector<uint8_t>* file, Random& random) {
  const size_t changes = 1 + random() % 6;
  for (size_t i = 0; i < changes && !file->empty(); ++i) {
    // Half of the changes hit the ELF header and the program headers.
    const size_t limit = random() % 2 ? std::min<size_t>(file->size(), 0x300) : file->size();
    const size_t at = random() % limit;
    switch (random() % 4) {
      case 0:
        (*file)[at] = static_cast<uint8_t>(random());
        break;
      case 1: {
        const uint64_t value = nasty(random);
        const size_t width = size_t{1} << (random() % 4);
        std::memcpy(&(*file)[at], &value, std::min(width, file->size() - at));
        break;
      }
      case 2: {
        const size_t from = random() % file->size();
        const size_t size =
            std::min({size_t{1} + random() % 64, file->size() - at, file->size() - from});
        std::memmove(&(*file)[at], &(*file)[from], size);
        break;
      }
      default:
        if (random() % 8 == 0) file->resize(at);
    }
  }
}

TEST(Fuzz, MutatedFilesGiveAnErrorOrAValidTable) {
  const auto originals = seeds();
  ASSERT_GE(originals.size(), 20u);
  const uint64_t seed = setting("MX_FUZZ_SEED", 1);
  const auto end = Clock::now() + std::chrono::seconds(setting("MX_FUZZ_SECONDS", 5));
  size_t runs = 0, tables = 0;
  for (; Clock::now() < end && runs < 1000000; ++runs) {
    Random random(seed + runs);
    std::vector<uint8_t> file = originals[random() % originals.size()];
    mutate(&file, random);
    // An exact allocation: a tool like valgrind or ASan then sees each byte read too far.
    const auto found = find_sites(Bytes(file.data(), file.size()));
    if (!found) continue;
    ++tables;
    ASSERT_TRUE(valid_table(found.value().bytes())) << "seed " << seed + runs;
    for (const Site& site : found.value().sites())
      ASSERT_TRUE(slice(file, site.file_offset, site.len)) << "seed " << seed + runs;
  }
  RecordProperty("runs", std::to_string(runs));
  EXPECT_GT(runs, 500u);
  EXPECT_GT(tables, runs / 10) << "mutations that always fail early test nothing";
}

TEST(Fuzz, MutatedTablesAreNeverBelieved) {
  const auto found = find_sites_file("/lib/x86_64-linux-gnu/libc.so.6");
  ASSERT_TRUE(found) << found.error();
  const std::vector<uint8_t> original(found.value().bytes().begin(), found.value().bytes().end());
  ASSERT_TRUE(valid_table(original));
  Random random(setting("MX_FUZZ_SEED", 1));
  for (int i = 0; i < 3000; ++i) {
    std::vector<uint8_t> table = original;
    mutate(&table, random);
    ASSERT_EQ(valid_table(table), table == original) << "run " << i;
  }
}

}  // namespace
}  // namespace mx::sites
