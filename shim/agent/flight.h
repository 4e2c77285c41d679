// Leader: the call in flight, kept where it survives a SIGKILL (stream/flight.h, docs/failover.md).
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Which of the kernel's byte counters a call moves by its result: bit 0 read, bit 1 written.
constexpr uint8_t moves(long nr) {
  switch (nr) {
    case __NR_read:
    case __NR_pread64:
    case __NR_readv:
    case __NR_preadv:
    case __NR_preadv2:
      return 1;
    case __NR_write:
    case __NR_pwrite64:
    case __NR_writev:
    case __NR_pwritev:
    case __NR_pwritev2:
      return 2;
    case __NR_sendfile:
    case __NR_copy_file_range:
      return 3;
    default:
      return 0;
  }
}

inline void count_moved(Thread* t, long nr, long ret) {
  if (ret <= 0 || t->role == Role::kSolo || t->role == Role::kFollower) return;
  uint8_t m = moves(nr);
  if (m & 1) t->lane->io[stream::kRead] += ret;
  if (m & 2) t->lane->io[stream::kWritten] += ret;
}

/// The same of what the agent reads and writes itself: who settles a call that is under way after a
/// SIGKILL must not take it for the program's.
inline void count_own(Thread* t, long nr, long ret) {
  const uint64_t before[2] = {t->lane ? t->lane->io[0] : 0, t->lane ? t->lane->io[1] : 0};
  count_moved(t, nr, ret);
  for (int k = 0; t->lane && k < 2; k++) t->lane->flight.io[k] += t->lane->io[k] - before[k];
}

/// Which file a descriptor of this process is of; 0: it is not open.
uint64_t identity_of(int fd);
/// Before the kernel gets the call.
void begin_flight(Call& c);

/// The kernel has executed it.
inline void end_flight(Thread* t, long ret) {
  if (t->role != Role::kLeader) return;
  if (__builtin_expect(t->die_after, 0)) sys(__NR_kill, t->proc->real_pid, 9);
  stream::Flight& f = t->lane->flight;
  f.result = ret;
  f.phase.store(static_cast<uint32_t>(stream::FlightPhase::kDone), std::memory_order_release);
}

/// execute(), with results that would be gone with the
/// process directed to the lane's staging area first.
long execute_staged(Call& c);
/// Staged where this version leads; there is nobody to tell where it goes on alone.
long execute_by_role(Call& c);
void stage_events(Call& c);
long unstage_events(Call& c, long n);
/// Before a lane is used again.
void clear_staging(uint32_t lane);

// For the survivor, which takes the results from there (settle.cpp).

/// Copies n staged bytes to where the program wants them. False: to bad memory.
bool deliver_bytes(const Call& c, uint64_t n);
/// Copies the staged message. Returns the call's result.
long deliver_message(const Call& c);
/// Copies the lengths of sent messages. Returns the call's result, 0 if none was sent.
long deliver_sent(const Call& c);
/// The first message has gone.
bool has_sent(const Call& c);

}  // namespace mx::agent
