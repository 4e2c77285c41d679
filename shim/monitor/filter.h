// The seccomp filter that makes interception complete: every system call whose instruction pointer
// is outside the agent raises SIGSYS.
#pragma once
#include <cstdint>

namespace mx::monitor {

/// Installs the filter in the calling process; it stays across fork and exec. `cookie`: a secret
/// page-aligned number; a call that carries it as its sixth argument is let through (the monitor's
/// first remote call in a new image, before there is an agent). Returns 0 or an errno. Uses
/// no_new_privs only without CAP_SYS_ADMIN, because it changes set-uid programs.
int install_filter(uint64_t cookie);

}  // namespace mx::monitor
