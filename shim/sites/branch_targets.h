// Every place in the code that something may jump to, over-approximated for the whole file.
//
// A function's own short branches are known only after decoding it (see decode.h); the rest is
// found here by looking at raw bytes, so code that nobody decodes counts too:
//   - each byte pattern of a 32-bit relative call, jump or conditional jump;
//   - each `lea disp32(%rip)`, and, where it leads to a table of 32-bit offsets into code, as gcc
//   and
//     clang write for a switch, each entry of that table;
//   - each aligned 8-byte word of any segment that is a code address: pointers in data, RELATIVE
//     relocations (their addend), tables of addresses, symbol values;
//   - in programs at a fixed address each `mov $imm32` and `push $imm32`;
//   - function begins and symbols.
// A false hit costs a site that could have been rewritten; a missed one would cost a crash.
#pragma once
#include <cstdint>
#include <vector>

#include "elf_image.h"

namespace mx::sites {

class BranchTargets {
 public:
  /// Scans the whole file. `entries`: function begins and symbols.
  BranchTargets(const ElfImage& image, const std::vector<uint64_t>& entries);

  void mark(uint64_t address);
  bool marked(uint64_t address) const;
  /// True if data (a table of offsets or a word) points into [begin, end).
  bool data_points_into(uint64_t begin, uint64_t end) const;
  /// False if a table was too long to be read: then nothing about the file can be relied on.
  bool complete() const { return table_budget_ != 0; }

 private:
  /// One bit a byte of an element of image.code().
  struct Map {
    uint64_t begin;
    uint64_t end;
    std::vector<uint64_t> all;
    std::vector<uint64_t> from_data;
  };

  Map* map_of(uint64_t address);
  const Map* map_of(uint64_t address) const;
  void mark_from_data(uint64_t address);
  void scan_code(const Segment& code);
  void scan_words(const Segment& segment);
  void read_table(uint64_t table, uint64_t limit);

  const ElfImage& image_;
  std::vector<Map> maps_;
  std::vector<uint64_t> tables_;
  size_t table_budget_ = size_t{1} << 24;
};

}  // namespace mx::sites
