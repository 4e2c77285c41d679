// Malformed input: one clear sentence or a result, never a crash. Seeds are real programs built
// here; mutations are random with a seed that is printed, so a failing run can be repeated
// (MX_FUZZ_SEED).
#include <elf.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <random>

#include "analyzer/analysis.h"
#include "analyzer/code/decoder.h"
#include "analyzer/mapping/mapping_file.h"
#include "analyzer/mapping/writer.h"
#include "builder.h"

namespace mx::analyzer::test {
namespace {

class Hostile : public ::testing::Test {
 protected:
  std::string refusal(const std::string& path) {
    Options o;
    o.old_path = o.new_path = path;
    auto a = analyze(o);
    return a ? "" : a.error().sentence;
  }
  std::string small_program() {
    write_file(folder_ / "a.c",
               "#include <stdio.h>\nint twice(int x){return x*2;}\nint main(int "
               "c,char**v){switch(c){case 1:puts(v[0]);break;"
               "case 2:return 7;case 3:puts(\"x\");break;case 4:return 9;case "
               "5:puts(\"y\");break;}return twice(c);}\n");
    run("gcc -g -O1 -o " + (folder_ / "a") + " " + (folder_ / "a.c"));
    return folder_ / "a";
  }
  TempFolder folder_;
};

TEST_F(Hostile, EachWrongKindOfFileHasItsSentence) {
  std::string good = read_file(small_program());
  auto refused = [&](const std::string& bytes) {
    write_file(folder_ / "bad", bytes);
    std::string s = refusal(folder_ / "bad");
    EXPECT_EQ(s.find('\n'), std::string::npos);
    return s;
  };
  auto with_u16 = [&](size_t at, uint16_t value) {
    std::string b = good;
    std::memcpy(b.data() + at, &value, 2);
    return b;
  };
  EXPECT_NE(refused("").find("is empty"), std::string::npos);
  EXPECT_NE(refused("#!/bin/sh\necho hello\n").find("not an ELF file"), std::string::npos);
  EXPECT_NE(refused(good.substr(0, 40)).find("truncated"), std::string::npos);
  EXPECT_NE(refused(good.substr(0, 100)).find("truncated"), std::string::npos);
  std::string class32 = good;
  class32[EI_CLASS] = ELFCLASS32;
  EXPECT_NE(refused(class32).find("64-bit"), std::string::npos);
  EXPECT_NE(
      refused(with_u16(offsetof(Elf64_Ehdr, e_machine), EM_AARCH64)).find("another architecture"),
      std::string::npos);
  EXPECT_NE(refused(with_u16(offsetof(Elf64_Ehdr, e_type), ET_CORE)).find("core file"),
            std::string::npos);
  EXPECT_NE(refused(with_u16(offsetof(Elf64_Ehdr, e_type), ET_REL)).find("object file"),
            std::string::npos);
  EXPECT_NE(refusal(folder_ / "nowhere").find("cannot open"), std::string::npos);
  EXPECT_NE(refusal(folder_.path()).find("not a regular file"), std::string::npos);
  EXPECT_EQ(refusal(folder_ / "a"), "");
}

TEST_F(Hostile, FourGigabytesOfNothing) {
  std::string path = folder_ / "sparse";
  for (bool header : {false, true}) {
    write_file(path, header ? read_file(small_program()).substr(0, 4096) : "");
    ASSERT_EQ(truncate(path.c_str(), 4LL << 30), 0);
    EXPECT_NE(refusal(path), "");
  }
}

// Flips, overwrites and cuts; interesting values go into headers and tables more often than
// elsewhere.
std::string mutate(std::string b, std::mt19937& random) {
  auto below = [&](size_t n) { return n ? random() % n : 0; };
  static const uint64_t kValues[] = {0,
                                     1,
                                     0xff,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     ~0ULL,
                                     0x1000};
  size_t changes = 1 + below(12);
  for (size_t k = 0; k < changes && b.size() > 64; ++k) {
    size_t region = below(4), at;
    if (region == 0)
      at = below(64 + 56 * 13);  // ELF and program headers
    else if (region == 1)
      at = b.size() - 1 - below(std::min<size_t>(b.size() - 1, 64 * 40));  // section headers
    else
      at = below(b.size());
    size_t width = size_t{1} << below(4);
    if (at + width > b.size() || at < 4) continue;
    uint64_t value = below(2) ? kValues[below(std::size(kValues))] : random();
    std::memcpy(b.data() + at, &value, width);
  }
  if (below(12) == 0) b.resize(64 + below(b.size() - 64));
  return b;
}

unsigned fuzz_seed() {
  const char* text = getenv("MX_FUZZ_SEED");
  return text ? static_cast<unsigned>(std::strtoul(text, nullptr, 0)) : 20241101;
}

std::chrono::seconds fuzz_time() {
  const char* text = getenv("MX_FUZZ_SECONDS");
  return std::chrono::seconds(text ? std::strtol(text, nullptr, 10) : 6);
}

TEST_F(Hostile, MutatedProgramsNeverCrash) {
  std::string named = read_file(small_program());
  run("strip -o " + (folder_ / "s") + " " + (folder_ / "a"));
  std::string bare = read_file(folder_ / "s");
  std::mt19937 random(fuzz_seed());
  auto end = std::chrono::steady_clock::now() + fuzz_time();
  size_t runs = 0, accepted = 0;
  for (; std::chrono::steady_clock::now() < end; ++runs) {
    write_file(folder_ / "m", mutate(runs % 2 ? bare : named, random));
    pid_t child = fork();  // so that a crash is reported with its number instead of ending the test
    ASSERT_GE(child, 0);
    if (child == 0) {
      Options o;
      o.old_path = folder_ / "m";
      o.new_path = folder_ / "a";
      auto a = analyze(o);
      if (a && !mapping::write_mapping(*a.value())) _exit(3);
      _exit(a ? 1 : 2);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status) || WEXITSTATUS(status) == 3) {
      run("cp " + (folder_ / "m") + " /tmp/mx-analyzer-crash");
      FAIL() << "run " << runs << " of seed " << fuzz_seed() << ": status " << status
             << ", input kept in /tmp/mx-analyzer-crash";
    }
    accepted += WEXITSTATUS(status) == 1;
  }
  std::printf("%zu mutated files, %zu accepted, seed %u\n", runs, accepted, fuzz_seed());
  EXPECT_GT(runs, 10u);
}

TEST_F(Hostile, MutatedMappingFilesAreRefused) {
  Options o;
  o.old_path = o.new_path = small_program();
  auto a = analyze(o);
  ASSERT_TRUE(a);
  auto bytes = mapping::write_mapping(*a.value());
  ASSERT_TRUE(bytes);
  std::mt19937 random(fuzz_seed());
  for (int k = 0; k < 3000; ++k) {
    std::vector<uint64_t> room(bytes.value().size() / 8 + 1);
    auto* raw = reinterpret_cast<uint8_t*>(room.data());
    std::memcpy(raw, bytes.value().data(), bytes.value().size());
    size_t at = random() % bytes.value().size();
    raw[at] ^= static_cast<uint8_t>(1 + random() % 255);
    EXPECT_FALSE(mapping::MappingFile::check({raw, bytes.value().size()}, "mutated")) << at;
    EXPECT_FALSE(mapping::MappingFile::check({raw, at}, "cut"));
  }
}

// A forged checksum lets lies through to the index checks: reading must stay inside the file.
TEST_F(Hostile, LyingMappingFilesAreReadInsideTheirBounds) {
  Options o;
  o.old_path = o.new_path = small_program();
  auto a = analyze(o);
  ASSERT_TRUE(a);
  auto bytes = mapping::write_mapping(*a.value());
  std::mt19937 random(fuzz_seed());
  for (int k = 0; k < 3000; ++k) {
    std::vector<uint64_t> room(bytes.value().size() / 8 + 1);
    auto* raw = reinterpret_cast<uint8_t*>(room.data());
    std::span<uint8_t> file(raw, bytes.value().size());
    std::copy(bytes.value().begin(), bytes.value().end(), raw);
    uint32_t value = random();
    std::memcpy(raw + random() % (file.size() - 4), &value, 4);
    uint64_t sum = mapping::checksum_of(file);
    std::memcpy(raw + offsetof(mapping::Header, checksum), &sum, 8);
    auto m = mapping::MappingFile::check(file, "lying");
    if (!m) continue;
    size_t seen = 0;
    for (const auto& f : m.value()->functions()) {
      seen += m.value()->text(f.name).size() + m.value()->sites_of(f).size() +
              m.value()->new_fixups_of(f).size();
      for (const auto& site : m.value()->sites_of(f)) {
        for (const auto& move : m.value()->moves_to_new(site)) seen += move.size;
        for (const auto& move : m.value()->moves_to_old(site))
          seen += m.value()->text(move.name).size();
      }
      m.value()->site_at_old(f.old_address + 1);
      m.value()->site_at_new(f.new_address + 1);
    }
    EXPECT_LT(seen, size_t{1} << 32);
  }
}

// Any bytes at all: the decoder never reads past the end and never claims more than there is.
TEST_F(Hostile, RandomBytesDecode) {
  auto image = Image::load(small_program());
  ASSERT_TRUE(image);
  Decoder decoder(*image.value());
  std::mt19937 random(fuzz_seed());
  for (int k = 0; k < 200000; ++k) {
    std::vector<uint8_t> b(1 + random() % 15);
    for (auto& x : b) x = static_cast<uint8_t>(random());
    auto i = decoder.decode(b, 0x1000, 0x1000);
    if (i) {
      ASSERT_LE(i->size, b.size());
    }
    ASSERT_LE(instruction_length(b), b.size());
  }
}

}  // namespace
}  // namespace mx::analyzer::test
