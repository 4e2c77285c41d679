#include "shim/agent/shared_locks.h"

#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/patch.h"
#include "shim/agent/rest.h"

namespace mx::agent {

namespace {

using stream::epoch_of;
using stream::Joint;
using stream::lock_place;
using stream::number_of;
using stream::SharedLock;

// A ticket: this bit, the index of the lock, a number.
constexpr uint64_t kTicket = uint64_t{1} << 63;
constexpr int kLookMs = 2, kPatience = 100;  // looks without any progress

// Mappings are numbered as they are made, which is the same in both versions.
struct Range {
  uint64_t begin, end, number;
};
constexpr int kMaxRanges = 32;
Range ranges[kMaxRanges];
int range_count;
uint64_t mappings;
uint32_t epoch;  ///< in which this process follows

SharedLock& lock_of(const EventHeader& h) {
  return control()->shared_locks[(h.digest & ~kTicket) >> 32 & (stream::kSharedLocks - 1)];
}

std::atomic<uint64_t>& place_of(const Thread* t, SharedLock& l) {
  return l.followed[static_cast<int>(t->proc->version)];
}

Word& futex_of(std::atomic<uint64_t>& place) { return *reinterpret_cast<Word*>(&place); }

Joint& joint_of(const Thread* t) { return control()->joint[static_cast<int>(t->proc->version)]; }

bool has_come(uint64_t place, uint32_t number) {
  return static_cast<int32_t>(number_of(place) - number) >= 0;
}

bool has_ticket(const EventHeader& h) { return h.kind == EventKind::kLock && (h.digest & kTicket); }

const Range* range_of(uint64_t address) {
  for (int i = 0; i < range_count; i++)
    if (address >= ranges[i].begin && address < ranges[i].end) return &ranges[i];
  return nullptr;
}

// The same lock, whichever version leads. Two that are taken for one (of processes that share
// nothing) have one order, which costs time only.
SharedLock* find_lock(const Range& r, uint64_t address) {
  constexpr uint32_t kProbes = 8, kOffsetBits = 40;
  const uint64_t key =
      r.number << kOffsetBits | ((address - r.begin) & ((uint64_t{1} << kOffsetBits) - 1));
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
  const uint64_t end = address + length, number = ++mappings;
  for (int i = 0;
       i < range_count;) {  // of what was mapped there before, nothing is looked up any more
    if (ranges[i].begin < end && ranges[i].end > address)
      ranges[i] = ranges[--range_count];
    else
      i++;
  }
  if (range_count == kMaxRanges) return;
  ranges[range_count++] = {address, end, number};
  if (number > 1 || t->role == Role::kSolo) return;
  epoch = joint_of(t).epoch.load();
  if (!t->proc->multi_threaded && !t->proc->is_vfork_child) patch_all(t);
}

bool in_shared_memory(uint64_t address) { return range_of(address) != nullptr; }

bool has_shared_memory() { return range_count != 0; }

uint64_t shared_ticket(Thread* t, uint64_t address) {
  const Range* r = range_of(address);
  if (!r || t->role != Role::kLeader || follower_gone(t)) return 0;
  SharedLock* l = find_lock(*r, address);
  if (!l) return 0;
  return kTicket | static_cast<uint64_t>(l - control()->shared_locks) << 32 | l->taken.fetch_add(1);
}

void await_shared_turn(Thread* t, const EventHeader& h) {
  if (!has_ticket(h)) return;
  SharedLock& l = lock_of(h);
  std::atomic<uint64_t>& place = place_of(t, l);
  uint64_t seen = place.load();
  int idle = 0;
  for (int spin = 0;; spin++) {
    const uint64_t now = place.load();
    // Of another epoch: the others have gone back, and this process is to end.
    if (epoch_of(now) == epoch && has_come(now, static_cast<uint32_t>(h.digest))) return;
    if (follower_must_end(t)) return;
    if (spin < 200) {
      pause();
      continue;
    }
    idle = now == seen ? idle + 1 : 0;
    seen = now;
    if (idle > kPatience) return;
    l.waiters.fetch_add(1);
    sleep_at_rest(t, &futex_of(place), number_of(now), kLookMs);
    l.waiters.fetch_sub(1);
  }
}

void pass_shared_turn(Thread* t, const EventHeader& h) {
  if (!has_ticket(h)) return;
  SharedLock& l = lock_of(h);
  std::atomic<uint64_t>& place = place_of(t, l);
  const uint32_t next = static_cast<uint32_t>(h.digest) + 1;
  uint64_t now = place.load();
  while (epoch_of(now) == epoch && !has_come(now, next) &&
         !place.compare_exchange_weak(now, lock_place(epoch, next))) {
  }
  if (l.waiters.load()) futex_wake(&futex_of(place), 1 << 30);
}

void note_lock_numbers(const Thread* t, uint32_t slot) {
  for (uint32_t i = 0; i < stream::kSharedLocks; i++) {
    SharedLock& l = control()->shared_locks[i];
    joint_of(t).lock_number[slot][i] =
        t->role == Role::kLeader ? l.taken.load() : number_of(place_of(t, l).load());
  }
}

void begin_lock_epoch(const Thread* t) { epoch = joint_of(t).epoch.load(); }

}  // namespace mx::agent
