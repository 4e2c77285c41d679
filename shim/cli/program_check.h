// Looks at what the user named before anything starts,
// so that errors name the thing and the remedy.
#pragma once
#include "shim/monitor/options.h"

namespace mx::cli {

/// Throws monitor::Error if the kernel is too old, or the processor of another kind.
void check_kernel();

/// Resolves the programs (PATH search as a shell) and checks them. Throws monitor::Error.
void check_options(monitor::Options& options);

}  // namespace mx::cli
