// The kernel's count of the bytes that this process has read and written (/proc/self/io).
#pragma once
#include <cstdint>

#include "shim/agent/state.h"

namespace mx::agent {

/// Fills io[stream::kRead] and io[stream::kWritten]. False if they cannot be read.
bool read_own_io(uint64_t (&io)[2]);
/// Leader, about to have a second thread, or just about to lead: notes what the kernel has counted
/// for the first one (Process::first_io), whose count is still there when the process has been
/// killed.
void note_first_io(Thread* t);

}  // namespace mx::agent
