// A pointer in one of the DW_EH_PE encodings (Linux Standard Base, "DWARF Extensions").
#pragma once

#include <optional>

#include "analyzer/elf/byte_cursor.h"

namespace mx::analyzer {

inline constexpr uint8_t kNoPointer = 0xff;  ///< DW_EH_PE_omit

/// Its number alone, without the base.
inline std::optional<uint64_t> encoded_number(ByteCursor& in, uint8_t encoding) {
  switch (encoding & 0x0f) {
    case 0x00:
    case 0x04:
    case 0x0c:
      return in.number<uint64_t>();
    case 0x01:
      return in.uleb();
    case 0x02:
      return in.number<uint16_t>();
    case 0x03:
      return in.number<uint32_t>();
    case 0x09:
      return static_cast<uint64_t>(in.sleb());
    case 0x0a:
      return static_cast<uint64_t>(int64_t{in.number<int16_t>()});
    case 0x0b:
      return static_cast<uint64_t>(int64_t{in.number<int32_t>()});
    default:
      return {};
  }
}

/// What occurs on x86-64: absolute, or relative to the field, where 0 is null; an indirect one is
/// the place of the pointer. Nothing: omitted, another encoding, the end of the bytes.
inline std::optional<uint64_t> encoded_pointer(ByteCursor& in, uint8_t encoding) {
  constexpr uint8_t kRelation = 0x70, kToField = 0x10;  // of DW_EH_PE_pcrel
  if (encoding == kNoPointer || (encoding & kRelation) > kToField) return {};
  const uint64_t base = (encoding & kRelation) == kToField ? in.address() : 0;
  const std::optional<uint64_t> number = encoded_number(in, encoding);
  if (!number || in.failed()) return {};
  return *number ? base + *number : 0;
}

}  // namespace mx::analyzer
