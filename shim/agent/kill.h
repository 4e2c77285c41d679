// Calls that name processes: kill and its kin, process groups, pidfds.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_kill(Call& c);
long run_tgkill(Call& c);
long run_sigqueue(Call& c);
long run_setpgid(Call& c);
long run_setsid(Call& c);
void prepare_kill(Call& c);
void prepare_tgkill(Call& c);
long perform_tgkill(Call& c);
void prepare_setpgid(Call& c);
void prepare_pidfd_open(Call& c);

}  // namespace mx::agent
