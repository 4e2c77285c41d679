// Call frame information of one module, looked up address by address: where the caller's frame is,
// and where its registers were saved. Source: LSB 5 section 10.6, DWARF 4 section 6.4.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "recovery/elf_view.h"

namespace mx::recovery {

/// What belongs to one function in .eh_frame. Addresses are those of the file.
struct FrameEntry {
  uint64_t start = 0, size = 0;
  uint64_t lsda = 0;         // language-specific data; 0: none
  uint64_t personality = 0;  // address of the routine, or of the slot that holds it; 0: none
  bool personality_indirect = false;
  bool signal = false;
  uint8_t pointer_encoding = 0;  // of the addresses in the entry
  uint64_t code_align = 1, return_register = 16;
  int64_t data_align = -8;
  std::span<const uint8_t> common, own;  // instructions of the CIE and of the FDE
};

struct Rule {
  enum class Kind : uint8_t {
    same,
    undefined,
    offset,
    value_offset,
    reg,
    expression,
    value_expression
  } kind = Kind::same;
  int64_t offset = 0;  // from the CFA; or the register's number
  std::span<const uint8_t> expression;
};

struct FrameRules {
  bool cfa_is_expression = false;
  uint32_t cfa_register = 7;
  int64_t cfa_offset = 8;
  std::span<const uint8_t> cfa_expression;
  Rule registers[17];  // DWARF numbers: 6 rbp, 7 rsp, 8-15 r8-r15, 16 return address
};

/// The entry that covers `address`; empty when there is none or it is damaged.
std::optional<FrameEntry> frame_entry(const ElfView& elf, uint64_t address);
/// The rules in force at `address` inside the entry.
std::optional<FrameRules> rules_at(const FrameEntry& entry, uint64_t address);

}  // namespace mx::recovery
