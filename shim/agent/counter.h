// The processor's time-stamp counter. With --threads serial the instructions that read it (rdtsc,
// rdtscp) are rewritten as `syscall` is, and what the leader's reads is what the follower's reads:
// Go makes the seeds of its scheduler of it.
#pragma once
#include "shim/agent/state.h"

/// mx_counter_entry (entry.S): puts the counter into r, as the instruction does.
extern "C" void mx_read_counter(mx::agent::Thread* t, mx::agent::Regs* r);
