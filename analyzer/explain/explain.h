// What to say about an address in a crash.
#pragma once

#include <cstdint>
#include <string>

#include "analyzer/mapping/mapping_file.h"

namespace mx::analyzer {

enum class Version : uint8_t { old_version, new_version };

struct Explanation {
  Version version = Version::new_version;
  std::string module;       // path of the file
  std::string function;     // empty: the address is in no known function
  uint64_t offset = 0;      // bytes from its start
  std::string source_line;  // "file.c:12" where DWARF is present, else empty
  bool known = false, changed = false;
  std::string transplant;  // reason against a transplant to the other version; empty: none
  std::string sentence;    // one sentence for a person
};

// Explains `address` (of the file, load bias taken off) in the old or the new version's executable
// at `module`. Never fails: what cannot be found out is left empty and the sentence says so.
Explanation explain(const mapping::MappingFile& mapping, Version version, const std::string& module,
                    uint64_t address);

// "which this update changed": the rest of a sentence about a function.
std::string what_happened_to(const mapping::Function& f);

}  // namespace mx::analyzer
