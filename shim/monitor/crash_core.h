// A core file of the version that crashed, in its crash folder (`mx run --core`).
#pragma once
#include <string>

#include "shim/monitor/crash.h"

namespace mx::monitor {

/// Writes `folder`/core, or `folder`/core.txt with the reason why not. The process must stand still
/// meanwhile; takes as long as it takes.
void write_crash_core(const Crash& crash, const std::string& folder);

}  // namespace mx::monitor
