// The survivor's copies of the leader's descriptors.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Takes each descriptor from whoever holds the leader's: its husk, or the keeper of a dead one.
/// Returns their number, or -1. By the thread that takes over.
int take_descriptors(Thread* t);

}  // namespace mx::agent
