// The real vDSO, hidden from the program: the leader's agent asks it for the time.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

void init_vdso(uint64_t address);
/// Reads a clock without a system call (nr: clock_gettime
/// of `clock`, or gettimeofday). False: it takes one.
bool read_clock(Thread* t, long nr, uint64_t clock, uint64_t value[2]);
/// Serves c from the vDSO if it can. The result and the program's memory are set.
bool vdso_call(Call& c, long& result);
/// A system call that the vDSO made on our behalf (the clock source needs the kernel): executes it.
/// False: it is the program's own.
bool vdso_fell_back(Thread* t, Regs* r);

}  // namespace mx::agent
