#include "shim/agent/shared_locks.h"

#include "shim/agent/failover.h"
#include "shim/agent/lane.h"
#include "shim/agent/patch.h"
#include "shim/agent/rest.h"

namespace mx::agent {

namespace {

using stream::Joint;
using stream::SharedLock;

// A ticket: this bit, the index of the lock, a number.
constexpr uint64_t kTicket = uint64_t{1} << 63;
constexpr int kLookMs = 2;

// How many looks without any progress: who is next gives up first, so that the others have the
// order that is left when a ticket was lost.
int patience(uint32_t distance) {
  constexpr uint32_t kLooks = 100, kMost = 10;
  return static_cast<int>(kLooks * (distance < kMost ? distance : kMost));
}

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

Word& place_of(const Thread* t, SharedLock& l) {
  return l.followed[static_cast<int>(t->proc->version)][epoch];
}

Joint& joint_of(const Thread* t) { return control()->joint[static_cast<int>(t->proc->version)]; }

bool is_behind(uint32_t number, uint32_t other) { return static_cast<int32_t>(number - other) < 0; }

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
  for (int i = range_count - 1; i >= 0; i--)  // what was mapped there before is gone
    if (ranges[i].begin < end && ranges[i].end > address) ranges[i] = ranges[--range_count];
  if (range_count == kMaxRanges) return;
  ranges[range_count++] = {address, end, number};
  if (number > 1 || t->role == Role::kSolo) return;
  epoch = joint_of(t).epoch.load() & 1;
  if (!t->proc->multi_threaded && !t->proc->is_vfork_child) patch_all(t);
}

bool in_shared_memory(uint64_t address) { return range_of(address) != nullptr; }

bool has_shared_memory() { return range_count != 0; }

namespace {

// The lock at `address`, if its order is kept by this process.
SharedLock* lock_of(Thread* t, uint64_t address) {
  const Range* r = range_of(address);
  return r && t->role == Role::kLeader && !follower_gone(t) ? find_lock(*r, address) : nullptr;
}

// … or by others: who leads alone takes no tickets, but waits for those who have.
SharedLock* lock_of_others(const Thread* t, uint64_t address) {
  const Range* r = range_of(address);
  return r && t->role != Role::kFollower ? find_lock(*r, address) : nullptr;
}

// Until a place has come to `number`; not for long if nothing moves.
void await_place(Thread* t, SharedLock& l, uint32_t number) {
  Word& place = place_of(t, l);
  uint32_t seen = place.load();
  int idle = 0;
  for (int spin = 0;; spin++) {
    const uint32_t now = place.load();
    if (!is_behind(now, number) || follower_must_end(t)) return;
    if (spin < 200) {
      pause();
      continue;
    }
    park_if_failing(t);
    idle = now == seen ? idle + 1 : 0;
    seen = now;
    if (idle > patience(number - now)) return;
    l.waiters.fetch_add(1);
    if (t->role == Role::kFollower)
      sleep_at_rest(t, &place, now, kLookMs);
    else
      futex_wait(&place, now, kLookMs);
    l.waiters.fetch_sub(1);
  }
}

void advance(Thread* t, SharedLock& l, uint32_t number) {
  Word& place = place_of(t, l);
  uint32_t now = place.load();
  while (is_behind(now, number) && !place.compare_exchange_weak(now, number)) {
  }
  if (l.waiters.load()) futex_wake(&place, 1 << 30);
}

}  // namespace

bool others_come_first(Thread* t, uint64_t address) {
  SharedLock* l = lock_of_others(t, address);
  return l && is_behind(place_of(t, *l).load(), l->taken.load());
}

void await_others(Thread* t, uint64_t address) {
  SharedLock* l = lock_of_others(t, address);
  if (!l) return;
  const uint32_t number = l->taken.load();
  await_place(t, *l, number);
  advance(t, *l, number);
}

uint64_t shared_ticket(Thread* t, uint64_t address) {
  SharedLock* l = lock_of(t, address);
  if (!l) return 0;
  const uint32_t number = l->taken.fetch_add(1);
  advance(t, *l, number + 1);
  return kTicket | static_cast<uint64_t>(l - control()->shared_locks) << 32 | number;
}

void await_shared_turn(Thread* t, const EventHeader& h) {
  if (has_ticket(h)) await_place(t, lock_of(h), static_cast<uint32_t>(h.digest));
}

void pass_shared_turn(Thread* t, const EventHeader& h) {
  if (has_ticket(h)) advance(t, lock_of(h), static_cast<uint32_t>(h.digest) + 1);
}

void note_lock_numbers(const Thread* t, uint32_t slot) {
  for (uint32_t i = 0; i < stream::kSharedLocks; i++) {
    SharedLock& l = control()->shared_locks[i];
    joint_of(t).lock_number[slot % stream::kSharedSlots][i] = place_of(t, l).load();
  }
}

void begin_lock_epoch(const Thread* t) { epoch = joint_of(t).epoch.load() & 1; }

}  // namespace mx::agent
