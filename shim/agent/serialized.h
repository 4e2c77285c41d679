// Functions that libc runs under a lock of its own, taken inline, where nothing can be hooked:
// syslog(3) and its kin, which make system calls there, and random(3), whose callers get one number
// each. In a process with several threads each of them runs under a mutex of the agent's, too. That
// one is taken by the program's pthread_mutex_lock, so it is a lock as others are (locks.h): in
// both versions threads come to libc's lock one by one, and in the same order.
//
// They may have any number of arguments: mx_serialized_entry (entry.S) runs the function on a copy
// of 24 words of the stack, or of what there is of it.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// A thread ends. If it was cancelled inside such a function (libc has given its own lock back),
/// its mutex is free.
void leave_serial(Thread* t);
/// In a new process: the threads that held them are not
/// there. (What it does to libc's own is libc's affair.)
void free_serials(Thread* t);

}  // namespace mx::agent
