// Call frame information (.eh_frame): where each function lies, and how to find its caller's frame
// at each address. Source of the format: System V ABI AMD64 section 4.2, DWARF 4 section 6.4, LSB 5
// section 10.6.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "analyzer/elf/image.h"

namespace mx::analyzer {

// How the registers of the caller are found at one address. Register numbers are DWARF's: 0 rax … 7
// rsp, 8-15 r8-r15.
struct FrameRow {
  bool cfa_is_expression = false;         // then register and offset mean nothing
  uint8_t cfa_register = 7;               // 7 rsp, 6 rbp
  int32_t cfa_offset = 8;                 // CFA = register + offset
  uint32_t saved = 0;                     // bit r: register r is stored at CFA + where[r]
  std::array<int16_t, 17> where{};        // bytes from the CFA; only for bits in `saved`
  bool has_expression_registers = false;  // some register has a DWARF expression
  auto operator<=>(const FrameRow&) const = default;
};

// True when both frames keep the same registers at the same places.
bool same_layout(const FrameRow& a, const FrameRow& b);

struct FrameDescription {
  uint64_t start = 0, size = 0;
  bool signal_frame = false;
  bool handles_exceptions = false;   // it catches, or has objects to destroy
  uint32_t first_row = 0, rows = 0;  // sorted by address; the first starts at `start`
};

class CallFrames {
 public:
  // Parses .eh_frame. Damaged entries are left out and counted, never followed outside the section.
  static CallFrames parse(const Image& image);

  const std::vector<FrameDescription>& all() const { return frames_; }
  const FrameDescription* frame_of(uint64_t address) const;
  // The row that holds at `address`, if some description covers it.
  const FrameRow* row_at(uint64_t address) const;
  size_t damaged_entries() const { return damaged_; }

 private:
  // From this many bytes behind the start of its function a rule holds. Programs have few
  // different rules, and each is kept once.
  struct Row {
    uint32_t offset = 0, rule = 0;
  };
  using KnownRules = std::map<FrameRow, uint32_t>;
  void add_row(uint64_t offset, const FrameRow& rule, KnownRules& known);

  std::vector<FrameDescription> frames_;  // sorted by start, not overlapping
  std::vector<Row> rows_;
  std::vector<FrameRow> rules_;
  size_t damaged_ = 0;
};

}  // namespace mx::analyzer
