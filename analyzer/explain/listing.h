// The code around one address, and the same place in the other version.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/elf/image.h"

namespace mx::analyzer {

struct ListedInstruction {
  uint64_t address = 0;
  std::string text;      // Intel syntax
  bool current = false;  // the address asked for lies in it; in the other version: its counterpart
};

// A function's code in one file; size 0: there is none.
struct CodeRange {
  const Image* image = nullptr;
  uint64_t address = 0, size = 0;
};

struct Listing {
  std::vector<ListedInstruction> own, other;
};

// `around` instructions before and after `address`, which lies in `own`. `other` (may be empty) is
// the same function in the other version: its lines are those that the alignment of both puts
// there; none is current when it has no such instruction.
Listing list_around(const CodeRange& own, uint64_t address, const CodeRange& other,
                    unsigned around);

}  // namespace mx::analyzer
