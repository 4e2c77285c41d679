// Rewriting system-call sites into jumps, lazily: a site is rewritten when it has trapped a few
// times, if the monitor's table says that it can be. While the process has one thread nobody else
// can be in the middle of the bytes; before it gets a second one, all known sites are rewritten.
//
// A trampoline:
//     copy of what stood before the `syscall`
//     lea  cont(%rip), %rcx         <- entry: 21 bytes up to cont
//     jmp  *address of mx_entry
//   cont:
//     copy of what stood behind it
//     jmp  end of the region
//
// Programs never see a trampoline's address: frames of signal handlers hold the original one.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Executable memory appeared at this address: what was known of it is void. If the process has
/// several threads, its sites are rewritten now, before anything runs there.
void note_code(Thread* t, uint64_t address, uint64_t length);
/// Rewrites the code there now, also in a process with one thread: its functions are to be hooked.
void hook_at_once(Thread* t, uint64_t address);
/// Rewrites the site whose `syscall` has just trapped, if it can and the site is used often; r->rip
/// is then in the trampoline.
void patch_site(Thread* t, Regs* r);
/// Memory for a trampoline within reach of a jump from `site`, writable and executable; 0: none.
uint64_t trampoline_room(uint64_t site, uint64_t size);
/// Rewrites every rewritable site of everything mapped (before a second thread starts).
void patch_all(Thread* t);
/// Where to go to execute the call again: the `syscall`, or the trampoline's entry.
uint64_t restart_address(const Thread* t, const Regs* r);
/// An original address as it must be continued: in the trampoline if its site was rewritten.
uint64_t relocated(uint64_t rip);
/// Whether a reader of the counter that goes on there was rdtscp.
bool reads_processor(uint64_t go_on);
/// An address in a trampoline as the program knows it; any other address unchanged.
uint64_t original(uint64_t rip);

}  // namespace mx::agent
