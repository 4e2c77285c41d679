// What to say about the addresses of a crash, for a program that links neither LIEF nor libdw: the
// monitor runs `mx-analyze --explain …` and passes the JSON on.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/base/result.h"
#include "analyzer/explain/explain.h"

namespace mx::analyzer {

struct CrashQuestion {
  Version version = Version::new_version;  // whose process it was
  std::string module;  // the file that the addresses lie in, as that version has it
  std::string other;   // the same file of the other version; empty: not known, or there is none
  std::vector<uint64_t>
      addresses;              // innermost first; of the file (load bias taken off), or file offsets
  bool file_offsets = false;  // addresses count from the file's start, as /proc/PID/maps does
  bool return_addresses =
      false;             // also the first one is a return address (another module is innermost)
  unsigned listing = 0;  // instructions to show before and after the first address; 0: none
};

// One JSON object; docs/analyzer.md has its schema. Errors: `module` cannot be read. What cannot be
// found out about an address is left out, and its sentence says so.
Result<std::string> crash_report(const CrashQuestion& question);

}  // namespace mx::analyzer
