// A copy that sleeps makes itself ready for its first steps.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The pages that the process has written to since the copy was made are what the copy will write
/// to first when it is woken: it makes them its own now, and maps its code.
/// Where page tables are shadowed (nested virtualisation) each page costs 7 to 20
/// microseconds, and a recovery would wait for it. Bounded; without effect before Linux 5.14. Runs
/// in the copy, alone.
void warm_up();

}  // namespace mx::agent
