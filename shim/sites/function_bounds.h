// Which bytes belong to which function: .eh_frame first, then symbol sizes, then Go's line table.
#pragma once
#include <cstdint>
#include <vector>

#include "eh_frame.h"
#include "elf_image.h"

namespace mx::sites {

/// A stretch of code to decode from its begin. Stretches do not overlap.
struct Function {
  uint64_t begin;
  uint64_t end;
  Frame frame;  // valid if has_frame
  bool has_frame;
  bool guessed;  // nothing names it: it is the gap between two known functions
};

class FunctionBounds {
 public:
  explicit FunctionBounds(const ElfImage& image);

  /// The known function around `address`, else the gap around it. REQUIRES: `address` is in
  /// image.code().
  Function around(uint64_t address) const;
  /// Addresses where a known function or a symbol of any kind begins.
  const std::vector<uint64_t>& entries() const { return entries_; }

 private:
  void add_frames();
  void add_symbols();
  void add_go_functions();
  void insert(std::vector<Function> more);
  Function gap(uint64_t address, std::vector<Function>::const_iterator next) const;

  const ElfImage& image_;
  std::vector<Function> functions_;  // ascending
  std::vector<uint64_t> entries_;
  std::vector<uint64_t> gap_starts_;  // functions of unknown size, ascending: they split gaps
};

}  // namespace mx::sites
