// System-call sites of a file, found by the monitor's own finder (shim/sites): both use one
// implementation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/base/result.h"

namespace mx::analyzer {

struct SystemCallSite {
  uint64_t address =
      0;             // of the bytes that would be replaced; of the syscall itself when it cannot be
  uint8_t size = 0;  // bytes
  bool rewritable = false;
  std::string reason;  // why it stays on the trap path; empty when rewritable
};

// Errors: the file cannot be read or is refused by the finder.
Result<std::vector<SystemCallSite>> system_call_sites(const std::string& path);

}  // namespace mx::analyzer
