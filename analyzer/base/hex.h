// An address as people write it.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace mx::analyzer {

/// `x` as 0x…, lower case, without leading zeros.
inline std::string hex(uint64_t x) {
  char text[24];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(x));
  return text;
}

}  // namespace mx::analyzer
