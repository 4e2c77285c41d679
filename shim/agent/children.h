// Process ids. The program knows a process by the id that its first leader had (vpid); the kernel
// knows each version's by a number of its own. Which child is which a version remembers itself: a
// pair's place in the arena may be given away before the parent has waited.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// The pair of the living process that the program knows as `vpid`, or null.
Process* find_pair(int32_t vpid);
/// The last process that had this number, ended or not; or null.
Process* find_former(int32_t vpid);

/// Follower, in the parent: its own child `real` is the program's `vpid`.
void child_born(Thread* t, int32_t vpid, int32_t real);
/// Follower: its leader has had the SIGCHLD of this child's end.
void note_told(Thread* t, int32_t vpid);
/// Follower that is about to lead: those of its children end of whose end its leader has had the
/// SIGCHLD, for some time at most. Their own SIGCHLD would come a second time.
void await_told_ends(Thread* t);
/// Survivor: a child has ended of which neither version has had the signal, for the leader's may be
/// lost. Fills in what it says.
bool untold_child_has_ended(const Thread* t, Siginfo& info);
/// A copy that was made of a leader, woken: its children have the numbers that the program knows.
void note_children(Thread* t);
/// Whoever waits for real: the kernel has given the child up.
void child_reaped(Thread* t, int32_t vpid);
/// By its wait(2) status: it has not just stopped or gone on.
inline bool has_ended(int status) { return (status & 0xff) != 0x7f && status != 0xffff; }
/// Follower: the program has waited for `vpid`; takes the kernel's own notice of its child.
void follower_reaps(Thread* t, int32_t vpid, int status);

/// What wait4 is to be asked for when the program says `pid` (a vpid, 0, -1 or a group).
uint64_t wait_target(Thread* t, int64_t pid);
/// The program's name for the process (or group) that the kernel names `real`.
int32_t virtual_id(Thread* t, int32_t real);
/// … for the process group, or session.
int32_t virtual_group(Thread* t, int32_t real, bool session);
/// The program's name for the parent that the kernel names `real`: a parent whose other version
/// took over is still the parent.
long virtual_parent(Thread* t, long real);
/// This version's own process for `vpid`: itself, a
/// child, any pair. `vpid` itself if there is none.
int32_t own_id(Thread* t, int32_t vpid);
/// An ancestor of this process adopts orphans (PR_SET_CHILD_SUBREAPER).
bool adopted_within(const Thread* t);
/// Survivor, before it acts on a group: its children change to its version, see monitor/handover.h.
void await_children(Thread* t);
/// This version's own number of the group that the program knows as `group`.
int32_t own_group(Thread* t, int32_t group);
/// The process that acts for `vpid`: its pair's leader. `vpid` itself if there is none.
int32_t acting_id(Thread* t, int32_t vpid);

}  // namespace mx::agent
