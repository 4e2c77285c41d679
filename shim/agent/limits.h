// The limit of address space (RLIMIT_AS) is raised by what mx maps; the program sees, and sets, its
// own values.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// After the kernel has written the limits of `resource` at `at`.
void present_limit(uint64_t resource, uint64_t at);
/// What the kernel shall get for the limits at `at`: that address, or `room`.
uint64_t limit_for_kernel(uint64_t resource, uint64_t at, uint64_t (&room)[4]);

}  // namespace mx::agent
