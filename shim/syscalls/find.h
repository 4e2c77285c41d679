// A system call by its name.
#pragma once

#include <string_view>

#include "shim/syscalls/syscalls.h"

namespace mx::sys {

/// The call of this name ("openat"), or nullptr. The result lives as long as the program.
const Desc* find(std::string_view name);

}  // namespace mx::sys
