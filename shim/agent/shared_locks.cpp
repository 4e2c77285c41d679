#include "shim/agent/shared_locks.h"

#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/patch.h"
#include "shim/agent/rest.h"

namespace mx::agent {

namespace {

using stream::SharedLock;

// A ticket: this bit, the index of the lock, a number.
constexpr uint64_t kTicket = uint64_t{1} << 63;
constexpr int kLookMs = 2, kPatience = 100;  // looks without any progress

struct Range {
  uint64_t begin, end;
};
constexpr int kMaxRanges = 32;
Range ranges[kMaxRanges];
int range_count;

SharedLock& lock_of(const EventHeader& h) {
  return control()->shared_locks[(h.digest & ~kTicket) >> 32 & (stream::kSharedLocks - 1)];
}

bool has_ticket(const EventHeader& h) { return h.kind == EventKind::kLock && (h.digest & kTicket); }

// Addresses are of one version: after a failover the other one's are other locks, whose order
// begins anew.
SharedLock* find_lock(uint64_t key) {
  constexpr uint32_t kProbes = 8;
  const uint64_t first = key >> 4 ^ key >> 12;
  for (uint32_t i = 0; i < kProbes; i++) {
    SharedLock& l = control()->shared_locks[(first + i) & (stream::kSharedLocks - 1)];
    uint64_t there = 0;
    if (l.key.compare_exchange_strong(there, key) || there == key) return &l;
  }
  return nullptr;
}

}  // namespace

void note_shared_memory(Thread* t, uint64_t address, uint64_t length) {
  if (in_shared_memory(address) || range_count == kMaxRanges) return;
  ranges[range_count++] = {address, address + length};
  if (range_count == 1 && t->role != Role::kSolo && !t->proc->multi_threaded &&
      !t->proc->is_vfork_child)
    patch_all(t);
}

bool in_shared_memory(uint64_t address) {
  for (int i = 0; i < range_count; i++)
    if (address >= ranges[i].begin && address < ranges[i].end) return true;
  return false;
}

bool has_shared_memory() { return range_count != 0; }

uint64_t shared_ticket(Thread* t, uint64_t address) {
  if (t->role != Role::kLeader || follower_gone(t) || !in_shared_memory(address)) return 0;
  SharedLock* l = find_lock(address << 1 | static_cast<uint64_t>(t->proc->version));
  if (!l) return 0;
  return kTicket | static_cast<uint64_t>(l - control()->shared_locks) << 32 | l->taken.fetch_add(1);
}

void await_shared_turn(Thread* t, const EventHeader& h) {
  if (!has_ticket(h)) return;
  SharedLock& l = lock_of(h);
  uint32_t seen = l.followed.load();
  int idle = 0;
  for (int spin = 0;; spin++) {
    const uint32_t now = l.followed.load();
    if (static_cast<int32_t>(now - static_cast<uint32_t>(h.digest)) >= 0 || follower_must_end(t) ||
        t->replays)
      return;
    if (spin < 200) {
      pause();
      continue;
    }
    idle = now == seen ? idle + 1 : 0;
    seen = now;
    if (idle > kPatience) return;
    l.waiters.fetch_add(1);
    sleep_at_rest(t, &l.followed, now, kLookMs);
    l.waiters.fetch_sub(1);
  }
}

void pass_shared_turn(const EventHeader& h) {
  if (!has_ticket(h)) return;
  SharedLock& l = lock_of(h);
  const uint32_t next = static_cast<uint32_t>(h.digest) + 1;
  uint32_t now = l.followed.load();
  while (static_cast<int32_t>(now - next) < 0 && !l.followed.compare_exchange_weak(now, next)) {
  }
  if (l.waiters.load()) futex_wake(&l.followed, 1 << 30);
}

}  // namespace mx::agent
