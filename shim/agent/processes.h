// Processes: pairing, waiting, ending, replacing the image.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

long run_wait4(Call& c);
long perform_wait4(Call& c);
long perform_waitid(Call& c);
long run_waitid(Call& c);
void prepare_wait4(Call& c);
void prepare_waitid(Call& c);
long run_exit_group(Call& c);
long run_exit(Call& c);
/// Leader: whether its image was replaced is known: it is the new one, or execve(2) has failed.
void note_image_decided(const Thread* t);
long run_execve(Call& c);
long run_execveat(Call& c);

/// Frees this version's use of its lanes and of the pair, when the process ends.
void release_pair(Thread* t);

}  // namespace mx::agent
