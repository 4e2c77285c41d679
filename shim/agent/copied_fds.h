// Descriptors of a copy of this process (checkpoint.h).
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Whether this version has opened regular files of its own: a copy shares their offsets at first.
bool has_private_files(Thread* t);
/// In the copy: closes what only the original may hold (a leader's sockets, pipes, files), opens
/// this version's own files anew, at the same numbers and offsets.
void own_descriptors(Thread* t);

}  // namespace mx::agent
