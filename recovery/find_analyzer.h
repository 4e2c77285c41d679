// Where mx-analyze is installed.
#pragma once

#include <string>

namespace mx::recovery {

/// Beside mx, in libexec of the same prefix (as installed), or where the build puts it. "": nowhere.
std::string find_analyzer();

}  // namespace mx::recovery
