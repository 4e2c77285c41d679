// Where in a process a copy of a module can lie so that its code and the module reach each other.
#pragma once

#include "recovery/modules.h"

namespace mx::recovery {

/// A free range of `size` bytes within reach (2 GiB) of every byte of
/// `module`; 0 when there is none. For a program at fixed addresses:
/// below 2 GiB as well, because its code holds 32-bit addresses.
uint64_t find_room(const AddressSpace& space, const Module& module, uint64_t size);

}  // namespace mx::recovery
