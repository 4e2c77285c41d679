// Who leads, and how that changes. See docs/failover.md for what each side sees.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

// --- leader ---------------------------------------------------------------------------------

/// True if nobody follows any more; the thread's role is then kSolo.
bool follower_gone(Thread* t);
bool follower_alive(Thread* t);
/// Goes on alone; the monitor ends the follower and reports `reason`.
void drop_follower(Thread* t, const char* reason);
/// The same for a follower that makes no progress: if it lives, it hangs, and the report says so.
void give_up_follower(Thread* t, const char* reason);
/// Full lockstep: waits until the follower agrees to the announced call.
void wait_for_agreement(Thread* t);
/// Parks this thread for good if its process has failed and the other version takes over.
void park_if_failing(Thread* t);
/// The same for a planned change of leader (handover.cpp); returns if that is given up.
void park_for_handover(Thread* t);
bool handover_committed(Process* p);
/// Kicks the other threads of a leader until all are parked, for a while. True if they are.
bool gather_threads(Thread* t);
/// True for one thread of a process that has failed or is to be changed: the others stay parked.
/// Two would answer for its descriptors twice, the second time in the next change of leader.
bool becomes_stand_in(Thread* t);
/// That thread: hands over the descriptors, then stands in for the process (its pid, its signals,
/// its exit status) until the survivor ends.
[[noreturn]] void become_husk(Thread* t);
/// A thread of a leader that has failed: is its stand-in, or parks.
[[noreturn]] void stop_failed(Thread* t);

// --- follower -------------------------------------------------------------------------------

/// Follower: the leader was killed, and this version has
/// not taken over: when it fails now, the program ends.
bool is_last_one(Thread* t);
bool leader_is_gone(Thread* t);
/// It is: waits until there is something to read in this thread's lane, or nothing more will come.
void await_last_events(Thread* t);
bool follower_must_end(Thread* t);
[[noreturn]] void end_follower(Thread* t);
/// Reports why, lets the leader go on alone, ends this process.
[[noreturn]] void leave_as_follower(Thread* t, const char* reason);
/// The same for a version that goes another way than the leader. Threads that ran in another order
/// may be the cause: if there is a checkpoint, the monitor lets it try again from there.
[[noreturn]] void stray_from_leader(Thread* t, const char* reason);
/// The same for a version that crashed: it stands still until the monitor, which looks at it, ends
/// it.
[[noreturn]] void leave_as_crashed_follower(Thread* t, bool recovers);
/// This follower has crashed at `position` of its lane: if there is a checkpoint, the leader goes
/// on for two. True if so.
bool recover_crashed_follower(Thread* t, uint64_t position);
/// For the monitor: which history belongs to a crash (lane + 1; 0: none), and the registers that go
/// with it.
int64_t crash_lane(const Thread* t);
void save_registers(Thread* t, const Regs& r);
/// The leader faulted, exited wrongly: tells it, and takes over. `parted`: the place in the lane
/// from which on it did what this version does not do, if it went astray first.
void leader_failed(Thread* t, const EventHeader& h, uint64_t parted);
inline void leader_failed(Thread* t, const EventHeader& h) { leader_failed(t, h, t->pos); }
bool declare_leader_hung(Thread* t);
/// By Ctrl-Z, SIGSTOP or a debugger: whoever stopped it has the right to, and this version would
/// take over its terminal.
bool leader_is_stopped(Thread* t);
/// This thread has consumed all events of its lane; it goes on for real. The first one carries over
/// the process's descriptors.
void take_over(Thread* t);
/// A follower's thread, before it waits in a call that it makes by itself (a futex): such a thread
/// would hear of a new leader at its next event only, and until then have every signal blocked.
/// Takes over, or waits until another thread has, if the leader is gone and its lane read.
void lead_if_due(Thread* t);
/// This version's copy of the leader's descriptor, close-on-exec; or an error.
int fetch_descriptor(Thread* t, int fd);
void wake_producer(Thread* t);

// --- any ------------------------------------------------------------------------------------

/// Sees to it that the follower looks at its lane although it makes no call.
void kick_follower(Thread* t);
/// This process ends with this wait(2) status: so must who stands in for it before its parent.
void tell_husk(Thread* t, int status);
/// Test hook: see docs/testing.md, MX_FAULT.
void inject_fault(Thread* t);

}  // namespace mx::agent
