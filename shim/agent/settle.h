// Survivor of a leader that was killed, or has stopped:
// was the call that the leader had in flight executed?
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// The first thread that takes over: what each lane's call moved, from the kernel's last words
/// about the process.
void weigh_moved_bytes(Process* p);
/// … and before any thread goes on: numbers that calls in flight have opened, and those that they
/// have closed, which may be other threads' by now.
void settle_numbers(Thread* t);
/// This thread, in a call, has nothing left to follow: others that wait for what the killed
/// leader's call has changed need wait no more.
void come_to_flight(Thread* t);
/// A thread has yet to come to the call in flight that has this place
/// in the order, and whose event was not told. (Of calls that register
/// at an epoll set: another thread's events may name it already.)
bool awaits_flight(const Thread* t, uint64_t place);
/// What calls in flight have read from signalfds is pending no more.
void forget_signals_read(Thread* t);
/// The call closes a number, and was one of those.
bool has_been_closed(const Call& c);
/// This thread's call, its first since it took over. True: the leader had executed it, and c.ret
/// and the results in the program's memory are as it would have published them. False: it is to be
/// executed, but for the first c.done bytes.
bool settle(Call& c);
/// This thread's first open of a file of its own since it took over: the killed leader may have
/// opened its own and not told. Closes that, so that the number is free.
void close_untold(const Call& c);
/// The child process that the leader had made and not
/// published, or 0; `process` and `lane` are its pair's.
int32_t settle_child(Thread* t, uint32_t& process, uint32_t& lane);

}  // namespace mx::agent
