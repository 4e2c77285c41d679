// The only file that sees LIEF. LIEF 0.9 crashes on malformed (even on non-ELF) input: call it in a
// child.
#pragma once

#include <string>

#include "analyzer/elf/facts.h"

namespace mx::analyzer {

// Parses the ELF file at `path`. Throws, or dies, on malformed input. See run_in_child.
ElfFacts read_with_lief(const std::string& path);

}  // namespace mx::analyzer
