// Finds what the loader would have put into a slot for a symbol that a module does not import.
#pragma once
#include <string_view>

#include "recovery/modules.h"

namespace mx::recovery {

/// The address in the process `own` of the function `symbol` that module `importer` of the process
/// `other` imports: what the other's loader chose, in the same file of `own`; else the definition
/// that `own` has. 0: neither.
uint64_t find_import(pid_t own_pid, const AddressSpace& own, pid_t other_pid,
                     const AddressSpace& other, const Module& importer, std::string_view symbol);

}  // namespace mx::recovery
