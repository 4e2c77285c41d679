// The descriptor keeper: a process that shares the leader's descriptor table and outlives it.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Starts this process's keeper, if it has none.
void start_keeper(Thread* t);
/// Ends it: before the process ends or replaces its image, else files would stay open.
void stop_keeper(Thread* t);
/// Whoever shares the leader's table: writes the list of open descriptors for the survivor.
void publish_descriptor_list(Thread* t);

}  // namespace mx::agent
