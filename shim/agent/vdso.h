// The real vDSO, hidden from the program: the leader's agent asks it for the time.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

void init_vdso(uint64_t address);
/// Serves c from the vDSO if it can. The result and the program's memory are set.
bool vdso_call(Call& c, long& result);

}  // namespace mx::agent
