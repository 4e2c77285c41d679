// Children that came back (rejoin.h) are children of the monitor, not of this process. As long as
// this version follows nobody asks the kernel for them; when it takes over, its program can wait
// for its own children only.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// In a version that takes over: for each child of the program that is not, or not any more, a
/// child of this process, makes one that stands for it: it ends when that one does, with its
/// status.
void make_stand_ins(Thread* t);

}  // namespace mx::agent
