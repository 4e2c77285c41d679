// Calls that need a word of their own and belong to no larger subject.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_set_tid_address(Call& c);
long run_prctl(Call& c);
/// setuid and its like.
long run_credentials(Call& c);
long run_capabilities(Call& c);  ///< capget, capset
long run_arch_prctl(Call& c);
long run_seccomp(Call& c);
long run_seccomp_filter(Call& c);
long run_accepted(Call& c);
long run_prlimit(Call& c);
long run_setrlimit(Call& c);
/// A version takes over: limits that the follower was spared.
void restore_limits(Thread* t);
/// Survivor: hears of its parent's death as the former leader would have.
void restore_death_signal(Thread* t);
long run_registration(Call& c);

void measure_ipc_control(Call& c);
long perform_ipc_control(Call& c);

}  // namespace mx::agent
