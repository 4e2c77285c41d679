// Processes: pairing, waiting, ending, replacing the image.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_wait4(Call& c);
long run_waitid(Call& c);
long run_exit_group(Call& c);
long run_exit(Call& c);
long run_execve(Call& c);
long run_execveat(Call& c);
long run_kill(Call& c);
long run_tgkill(Call& c);

/// The pair of the process that the program knows as `vpid`, or null.
Process* find_pair(int32_t vpid);
/// The kernel's id for what the program means, in a version that took over.
int32_t real_id(Thread* t, int32_t vpid);
int32_t virtual_id(Thread* t, int32_t real);
/// Frees this version's use of its lanes and of the pair, when the process ends.
void release_pair(Thread* t);

}  // namespace mx::agent
