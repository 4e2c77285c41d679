// What the survivor asks of whoever holds the leader's descriptors, its husk or its keeper, and how
// they come over: in messages of a socket (SCM_RIGHTS, unix(7)), 253 at a time. One call for each
// (pidfd_getfd(2), and another one for its flag) costs ten times as much.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// Values of Process::descriptors_taken.
enum DescriptorsTaken : uint32_t {
  kNotTaken = 0,
  kTaken = 1,  ///< by the survivor: who has them lets go
  kLetGo = 2,
  kWeakenLocks = 3,  ///< asked by the survivor (record_locks.h)
  kSendThem = 4,     ///< asked by the survivor: those in the list, by a socket
  kServed = 5,       ///< what was asked has been done
};

/// Survivor: asks, and waits for the answer for a second at most. False: there was none.
bool ask_holder(Process* p, DescriptorsTaken request);
/// Husk or keeper: serves the survivor (alive while `survivor` is not 0) until it has the
/// descriptors.
void await_descriptors_taken(Process* p, const Word& survivor);

/// Survivor: takes the `count` descriptors of `list`, ascending numbers (bit 31: FD_CLOEXEC), each
/// to its number, where nothing may be open. `holder`: a pidfd, at a number that is not in the
/// list. Returns how many are there, from the first one on; the others did not come.
uint32_t receive_descriptors(Thread* t, int holder, const int32_t* list, uint32_t count);

/// Survivor: the one descriptor of this entry, by pidfd_getfd(2). False if it is not there.
bool fetch_descriptor_of(int holder, int32_t entry);
inline int number_of(int32_t entry) { return entry & 0x7fffffff; }

/// Whether `fd` is one of the numbers in `list`.
bool in_list(const int32_t* list, uint32_t count, long fd);
/// Moves a descriptor to a number that `list` (ascending) leaves free, if there is one; returns it.
int clear_of(const int32_t* list, uint32_t count, int fd);

}  // namespace mx::agent
