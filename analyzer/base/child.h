// Runs a parser that may crash in a child process with limits.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "analyzer/base/result.h"

namespace mx::analyzer {

struct ChildLimits {
  uint64_t memory_bytes = 4ULL << 30;  // address space the child may add to what it inherits
  unsigned cpu_seconds = 120;
  int wall_milliseconds = 180'000;
};

// Calls `work` in a forked child and returns the bytes it returned. A crash, an exception, a limit
// or a time-out in the child becomes an Error that starts with `what`. The child's stdout and
// stderr are discarded.
Result<std::vector<uint8_t>> run_in_child(const std::string& what, const ChildLimits& limits,
                                          const std::function<std::vector<uint8_t>()>& work);

}  // namespace mx::analyzer
