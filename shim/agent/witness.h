// A second copy of a checkpoint that is woken after a crash: the monitor saves its memory for
// `mx replay` (docs/crash-report.md) while the first one catches up.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// In a checkpoint that was woken: leaves a witness behind if the monitor wants one. True in the
/// witness, which `mx replay` has woken, maybe days later: its memory stands in another process,
/// and what the kernel keeps of a process is as it was.
bool leave_witness(Thread* t);

}  // namespace mx::agent
