// The descriptor keeper: a process that shares the leader's descriptor table and outlives it.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// First process, at its start: a keeper that shares its memory, which costs neither page tables
/// nor copied pages: most programs live for a moment. A kill for want of memory takes it along (and
/// a core dump, before Linux 5.16), so one with memory of its own takes its place when the monitor
/// asks for that (kWantKeeper).
void start_young_keeper(Thread* t);
/// Starts this process's keeper; one from before an execve, which unshared the table, is ended.
void start_keeper(Thread* t);
/// … if it has none and is asked to (kWantKeeper).
void keep_if_wanted(Thread* t);
/// Follower: makes the keeper that it will need when it leads, if there is none. At a checkpoint,
/// which makes every page a copy on write anyhow: after a change of leader clients wait for that.
void start_spare_keeper(Thread* t);
/// This version leads: the spare keeper is the keeper from now on, or a new one.
void take_spare_keeper(Thread* t);
/// Ends it, for this version goes on alone, or its table has been unshared by execve.
void stop_spare_keeper(Thread* t);
/// Any process of the pair: its keepers look whether they are asked, or needed no more.
void wake_keepers(Process* p);
/// Leader, about to end: its children are to have keepers.
void leave_children(Thread* t);
/// Makes it let go of the table before the process ends, else files would stay open; a process that
/// is not the program's first one waits for its end.
void stop_keeper(Thread* t);
/// Lets processes with the same rights take this one's descriptors, although the program may have
/// changed its user (pidfd_getfd(2) asks what ptrace asks).
void allow_takeover();
/// Unmaps everything of the program: for a process that only stands in for it.
void give_memory_back(Thread* t);
/// Whoever shares the leader's table: waits for the survivor's request, then writes the list of
/// open descriptors into the ring of the lane that the survivor names (it has read all of it).
void publish_descriptor_list(Thread* t);

}  // namespace mx::agent
