// Survivor of a leader that was killed: was the call that the leader had in flight executed?
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The first thread that takes over: what each lane's call moved, from the kernel's last words about the process.
void weigh_moved_bytes(Process* p);
/// This thread's call, its first since it took over. True: the leader had executed it, and c.ret and the
/// results in the program's memory are as it would have published them. False: it is to be executed.
bool settle(Call& c);
/// The child process that the leader had made and not published, or 0; `process` and `lane` are its pair's.
int32_t settle_child(Thread* t, uint32_t& process, uint32_t& lane);

}  // namespace mx::agent
