// Reads FunctionVariables with libdw. Call it in a child: input is untrusted.
#pragma once

#include "analyzer/dwarf/frame_variables.h"

namespace mx::analyzer {

// Throws when the file cannot be read.
std::vector<FunctionVariables> read_variables_with_libdw(
    const std::string& path, const std::vector<VariableRequest>& requests);

}  // namespace mx::analyzer
