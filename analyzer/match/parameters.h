// Do two versions of a function expect the same of their callers?
#pragma once

#include <string>

#include "analyzer/dwarf/frame_variables.h"

namespace mx::analyzer {

// "" when they do, or when DWARF does not know one of them; else one phrase.
std::string parameter_difference(const FunctionVariables& old_one,
                                 const FunctionVariables& new_one);

}  // namespace mx::analyzer
