// Where mx-analyze is installed, and with which rights it runs.
#pragma once

#include <string>

namespace mx::recovery {

/// Beside mx, in libexec of the same prefix (as installed), or where the build puts it. "":
/// nowhere.
std::string find_analyzer();

/// In a child that is about to become mx-analyze, which reads files that nobody vouches for: takes
/// all capabilities away for good, and makes it the first to go when memory runs out. Only
/// async-signal-safe calls.
void lower_rights();

}  // namespace mx::recovery
