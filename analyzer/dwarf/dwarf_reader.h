// Types, functions and lines. Call read_with_libdw in a child: input is untrusted.
#pragma once

#include <string>

#include "analyzer/dwarf/debug_info.h"

namespace mx::analyzer {

// Throws when the file cannot be read.
DebugInfo read_with_libdw(const std::string& path);

}  // namespace mx::analyzer
