// The kernel's count of the bytes that this process has read and written (/proc/self/io).
#pragma once
#include <cstdint>

namespace mx::agent {

/// Fills io[stream::kRead] and io[stream::kWritten]. False if they cannot be read.
bool read_own_io(uint64_t (&io)[2]);

}  // namespace mx::agent
