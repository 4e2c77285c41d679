// Names of threads (prctl(PR_SET_NAME)): a copy of the process has its threads made anew, each with
// the name that it had.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// In a copy with descriptors of its own: notes what the threads of the original are called.
void note_thread_names(Thread* t);
/// The calling thread, made anew, takes its name.
void take_thread_name(const Thread* t);

}  // namespace mx::agent
