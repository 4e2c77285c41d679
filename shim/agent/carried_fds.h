// The survivor's copies of the leader's descriptors.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Who holds the leader's descriptors: its husk, or the keeper of a dead one.
struct FdHolder {
  bool dead;
  int pidfd;  ///< -1: nobody holds them
};

/// Has the holder list them. The leader's threads make no more calls then: all that they did is in
/// their lanes. By the thread that takes over, which owns the result's pidfd until it takes the
/// descriptors.
FdHolder list_descriptors(Thread* t);
/// Takes each that is listed and not private to this version. Returns their number. By the same
/// thread, when the others have followed what the leader did: what is private to them, and under
/// which numbers, is known then only.
int take_descriptors(Thread* t, FdHolder from);

}  // namespace mx::agent
