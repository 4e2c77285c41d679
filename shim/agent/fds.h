// What the agent knows of the program's descriptors: which are private to each version, and hints
// on whether a call on one can block. All functions run in the thread that makes the call.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

inline bool valid_fd(int64_t fd) { return fd >= 0 && fd < kMaxFds; }
inline uint16_t& fd_bits(Thread* t, int fd) { return t->proc->fds[fd]; }
inline bool fd_private(Thread* t, int64_t fd) {
  return valid_fd(fd) && (t->proc->fds[fd] & kFdPrivate);
}
/// Of a file that the leader alone has looked into, see looks.h.
inline bool fd_leader_only(Thread* t, int64_t fd) {
  return valid_fd(fd) && (t->proc->fds[fd] & kFdLeaderOnly);
}
bool fd_reserved(int64_t fd);

/// Known to be a regular file or a folder (false also if nobody has asked yet, see never_blocks()).
inline bool is_regular(Thread* t, int fd) { return valid_fd(fd) && (fd_bits(t, fd) & kFdRegular); }

/// True if calls on it return promptly: a regular file, or non-blocking. Asks the kernel once.
bool never_blocks(Thread* t, int fd);
/// Of a fcntl or flock: whether it may wait for a lock, whatever the descriptor is.
bool waits_for_lock(const Call& c);

/// Records a new descriptor (bits) and raises the process's highest number.
void fd_opened(Thread* t, int fd, uint16_t bits);
void fd_closed(Thread* t, int fd);
/// The killed leader's kernel has closed it; the number
/// may be of what another of its threads has opened since.
void fd_was_closed(Thread* t, int fd);
/// A thread of the leader's opened this number after that place in the order of events (+ 1).
bool fd_opened_since(int fd, uint64_t ticket);
/// In a new process: its order is another one.
void forget_opened();
/// Whether the leader had it open, by what it published.
/// The numbers that this version took over from the leader: forgets them; adds one; asks.
void forget_carried();
void note_carried(int fd);
bool fd_carried(int fd);
bool fd_known_open(Thread* t, int fd);
/// Leader, new image: records which descriptors it begins with.
void note_inherited(Thread* t);
/// Follower: moves its own descriptor `own` to number `fd`. Returns fd, or an error.
long place_private(Thread* t, int own, int fd, bool cloexec);
/// Follower: the leader has opened a private file that this version does not open.
void note_leader_only_fd(Thread* t, int fd);
/// Follower, before execve: closes what is really open here except mx's own descriptor.
void close_all_private(Thread* t);
/// A new process that is to follow: what it has of its maker's table, who leads.
void close_all_shared(Thread* t);

// Handlers.
long run_close(Call& c);
long run_close_range(Call& c);
long perform_close_range(Call& c);
void localise_recvmsg(Call& c);
long run_fcntl(Call& c);
void prepare_fcntl(Call& c);
long perform_fcntl(Call& c);
/// Survivor: what was to be sent to the former leader's process is sent to this one.
void restore_owners(Thread* t);
long run_flock(Call& c);
void measure_ioctl(Call& c);
long perform_ioctl(Call& c);
void localise_ioctl(Call& c);
void prepare_close(Call& c);
void localise_close(Call& c);
void localise_dup(Call& c);
void localise_new_fd(Call& c);
void localise_fd_pair(Call& c);
long run_dup_to(Call& c);
long run_memfd(Call& c);

}  // namespace mx::agent
