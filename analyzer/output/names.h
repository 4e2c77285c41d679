// Names as a person reads them.
#pragma once

#include <string>

namespace mx::analyzer {

// The C++ name behind a mangled one; any other name as it is.
std::string demangled(const std::string& name);
// The same, short enough for a line: of long ones the arguments in <> and () are left out.
std::string short_name(const std::string& name);
// A sentence or a line of code with every mangled name in it replaced by its short form.
std::string with_short_names(const std::string& text);
// Does a person who writes `wanted` mean this function? The symbol, the C++ name, or the C++ name
// without its parameters.
bool is_meant(const std::string& wanted, const std::string& name);

}  // namespace mx::analyzer
