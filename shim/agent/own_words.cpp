#include "shim/agent/own_words.h"

#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/threads.h"

namespace mx::agent {

namespace {

constexpr uint32_t kMost = 1024, kLongest = 32,
                   kShortest = 8;    // (shorter ones would be found where they are not)
constexpr int64_t kSearched = 4096;  // of a result: PIPE_BUF

bool is_pair(Thread* t, uint64_t fd) {
  return valid_fd(static_cast<int64_t>(fd)) && (fd_bits(t, static_cast<int>(fd)) & kFdPair);
}

struct Pair {
  int one, other;
  uint32_t processes;                ///< that had been made by then
  std::atomic<uint32_t> begun;       ///< futex: writes of which the event is yet to come
  std::atomic<uint32_t> waited_for;  ///< a reader sleeps until it changes
  std::atomic<uint32_t> in_vain;     ///< how often a reader has waited for one that it did not need
};
constexpr uint32_t kMostPairs = 32;
Pair pairs[kMostPairs];
std::atomic<uint32_t> next_pair{0}, processes{0};

Pair* pair_of(uint64_t fd) {
  const auto number = static_cast<int>(fd);
  for (Pair& p : pairs)
    if ((p.one == number || p.other == number) && p.one != p.other) return &p;
  return nullptr;
}

struct Words {
  uint32_t size;     // 0: free
  const Pair* pair;  // into which it was written; null: not known any more
  uint8_t leader[kLongest], own[kLongest];
};
Words words[kMost];
uint32_t oldest, next;  // of a ring
std::atomic<uint32_t> kept{0}, busy{0};

// A reader may be told of one long after those that were written later: what has been read
// meanwhile gives its place back.
void make_room() {
  uint32_t live = 0;
  for (uint32_t i = oldest; i != next; i++) {
    const Words& w = words[i % kMost];
    if (w.size) words[(oldest + live++) % kMost] = w;
  }
  for (uint32_t i = oldest + live; i != next; i++) words[i % kMost].size = 0;
  next = oldest + live;
  if (live == kMost) oldest++;
}

bool is_ours(Thread* t, const Pair& p) {
  const bool alone = p.processes == processes.load(std::memory_order_relaxed);
  const uint16_t wanted = kFdPair | kFdOpen | (alone ? 0 : kFdCloexec);
  for (int fd : {p.one, p.other})
    if (!valid_fd(fd) || (fd_bits(t, fd) & wanted) != wanted) return false;
  return true;
}

// Descriptors of eventfd(2).
struct Counter {
  std::atomic<int> number;  // + 1; 0: none
  uint32_t processes;       // as of a pair
};
Counter counters[kMostPairs];
std::atomic<uint32_t> next_counter{0};

bool is_own_counter(Thread* t, uint64_t fd) {
  for (const Counter& k : counters) {
    if (k.number.load(std::memory_order_relaxed) != static_cast<int>(fd) + 1) continue;
    const bool alone = k.processes == processes.load(std::memory_order_relaxed);
    return alone || fd_bits(t, static_cast<int>(fd)) & kFdCloexec;
  }
  return false;
}

// The first of them in `bytes`, or `size`.
uint64_t find(const uint8_t* bytes, uint64_t size, const Words& w) {
  for (uint64_t at = 0; at + w.size <= size; at++)
    if (memcmp(bytes + at, w.leader, w.size) == 0) return at;
  return size;
}

// True if there is something of this version's in
// the result, which came through `pair` (null: any).
bool put_own_words(Call& c, const Pair* pair) {
  const OneAtATime alone(busy);
  auto* bytes = reinterpret_cast<uint8_t*>(c.args[1]);
  auto left = static_cast<uint64_t>(c.ret < kSearched ? c.ret : kSearched);
  bool any = false;
  while (oldest != next && !words[oldest % kMost].size) oldest++;
  for (uint32_t i = oldest; i != next && left; i++) {  // in the order in which they were written
    Words& w = words[i % kMost];
    const bool elsewhere = pair && w.pair && w.pair != pair;
    const uint64_t at = w.size && !elsewhere ? find(bytes, left, w) : left;
    if (at == left) continue;
    any = true;
    memcpy(bytes + at, w.own, w.size);
    bytes += at + w.size;
    left -= at + w.size;
    w.size = 0;
    kept.fetch_sub(1);
  }
  return any;
}

void add_words(const Call& c, const uint8_t* leader, const uint8_t* own, uint32_t size) {
  if (next - oldest == kMost) make_room();
  Words& w = words[next++ % kMost];
  if (!w.size) kept.fetch_add(1);
  w.size = size;
  w.pair = pair_of(c.args[0]);
  memcpy(w.leader, leader, size);
  memcpy(w.own, own, size);
}

bool has_length(uint64_t size) { return size >= kShortest && size <= kLongest; }

// Flight::note of a write: what stands in the staging area has not been found by a reader.
constexpr uint64_t kStaged = 1;

enum class InFlight : uint8_t { kNone, kAwaited, kPut };

// A thread of the killed leader had written it, and not told: what this version's thread is about
// to write stands in its call, when it has come there.
InFlight put_word_in_flight(Call& c, const Thread& writer) {
  Lane* l = writer.lane;
  stream::Flight& f = l->flight;
  const bool flies =
      f.phase.load() && f.head == l->head.load() && f.nr == __NR_write && f.note == kStaged;
  if (!flies || !has_length(f.count) || !is_pair(c.t, static_cast<uint64_t>(f.fd)))
    return InFlight::kNone;
  // All that its thread had told before came before this read: what is left are questions, which
  // have no place in the order.
  constexpr uint64_t kFewQuestions = 256;
  if (f.head - writer.pos > kFewQuestions) return InFlight::kNone;
  const auto size = static_cast<uint64_t>(c.ret < kSearched ? c.ret : kSearched);
  auto* bytes = reinterpret_cast<uint8_t*>(c.args[1]);
  Words w{};
  w.size = static_cast<uint32_t>(f.count);
  memcpy(w.leader, staging(static_cast<uint32_t>(l - control()->lanes))->data, w.size);
  const uint64_t at = find(bytes, size, w);
  if (at == size) return InFlight::kNone;
  const Regs* r = writer.regs;
  const bool there = r && r->nr == __NR_write && r->call_arg(0) == static_cast<uint64_t>(f.fd) &&
                     r->call_arg(2) == f.count;
  if (!there || !copy_guarded(w.own, reinterpret_cast<void*>(r->call_arg(1)), w.size))
    return InFlight::kAwaited;
  memcpy(bytes + at, w.own, w.size);
  f.note = 0;
  return InFlight::kPut;
}

InFlight put_words_in_flight(Call& c) {
  InFlight all = InFlight::kNone;
  const bool killed = c.t->proc->shared->last_words.known.load() &&
                      (c.t->role != Role::kFollower || leader_is_gone(c.t));
  if (!killed) return all;
  const OneAtATime alone(busy);
  each_thread(c.t->proc, [&](const Thread& o) {
    if (&o == c.t || !o.lane) return;
    const InFlight one = put_word_in_flight(c, o);
    if (one > all) all = one;
  });
  return all;
}

}  // namespace

void stage_own_words(const Call& c) {
  if (c.nr != __NR_write || !has_length(c.args[2]) || !is_pair(c.t, c.args[0])) return;
  const bool staged =
      copy_guarded(staging(c.t->lane_index)->data, reinterpret_cast<void*>(c.args[1]), c.args[2]);
  c.t->lane->flight.note = staged ? kStaged : 0;
}

void keep_word_in_flight(Call& c) {
  stream::Flight& f = c.t->lane->flight;
  const bool done = f.phase.load() == static_cast<uint32_t>(stream::FlightPhase::kDone);
  const bool sent = f.shape.load() == static_cast<uint32_t>(stream::StageShape::kSent);
  const bool gone = sent ? has_sent(c) : done ? f.result > 0 : f.moved[stream::kWritten] > 0;
  if (c.nr != __NR_write || !has_length(c.args[2]) || !is_pair(c.t, c.args[0]) || f.note != kStaged)
    return;
  const OneAtATime alone(busy);
  if (f.note != kStaged) return;
  f.note = 0;
  if (gone)
    add_words(c, staging(c.t->lane_index)->data, reinterpret_cast<const uint8_t*>(c.args[1]),
              static_cast<uint32_t>(c.args[2]));
}

void note_pair(int one, int other) {
  for (Pair& p : pairs)  // that had these numbers
    if (p.one == one || p.one == other || p.other == one || p.other == other) p.one = p.other = 0;
  Pair& p = pairs[next_pair.fetch_add(1) % kMostPairs];
  p.one = one;
  p.other = other;
  p.processes = processes.load();
  p.begun.store(0);
  p.in_vain.store(0);
}

void note_counter(int fd) {
  Counter& k = counters[next_counter.fetch_add(1) % kMostPairs];
  k.processes = processes.load();
  k.number.store(fd + 1);
}

void forget_counter(int fd) {
  if (!next_counter.load(std::memory_order_relaxed)) return;
  for (Counter& k : counters)
    if (k.number.load(std::memory_order_relaxed) == fd + 1) k.number.store(0);
}

void pairs_are_shared() { processes.fetch_add(1); }

void begin_own_words(Call& c) {
  if (c.began || c.d->fd_arg != 0 || !is_pair(c.t, c.args[0])) return;
  Pair* p = pair_of(c.args[0]);
  if (!p) return;
  p->begun.fetch_add(1);
  c.began = static_cast<uint32_t>(p - pairs) + 1;
}

void end_own_words(Call& c) {
  if (!c.began) return;
  Pair& p = pairs[c.began - 1];
  uint32_t now = p.begun.load();
  while (now && !p.begun.compare_exchange_weak(now, now - 1)) {
  }
  if (p.waited_for.exchange(0)) futex_wake(&p.begun, 1 << 30);
  c.began = 0;
}

bool talks_to_itself(const Call& c) {
  if (c.d->fd_arg != 0) return false;
  const Pair* p = pair_of(c.args[0]);
  return p && is_ours(c.t, *p);
}

bool wakes_itself(Thread* t, uint64_t nr, uint64_t fd, uint64_t count) {
  constexpr uint64_t kCounter = 8;
  if (nr != __NR_write || !t->proc->multi_threaded) return false;
  if (count == kCounter) return is_own_counter(t, fd);
  const Pair* p = count < kShortest ? pair_of(fd) : nullptr;  // (what is longer may mean something)
  return p && is_ours(t, *p);
}

bool wakes_itself(const Call& c) { return wakes_itself(c.t, c.nr, c.args[0], c.args[2]); }

void note_own_words(Call& c, const uint8_t* leader, const uint8_t* own, uint32_t size) {
  if (!has_length(size) || c.d->fd_arg != 0 || !is_pair(c.t, c.args[0])) return;
  const OneAtATime alone(busy);
  add_words(c, leader, own, size);
}

// If the leader's bytes were read, its write is at its end: the event comes soon, and with it this
// version's bytes. They need not be others.
void read_own_words(Call& c) {
  if (c.ret < static_cast<int64_t>(kShortest) || !is_pair(c.t, c.args[0])) return;
  constexpr int kMostMs = 50;
  constexpr uint32_t kOften = 4;
  Pair* p = pair_of(c.args[0]);
  const bool may_be_early = p && c.t->role == Role::kFollower && c.t->proc->multi_threaded;
  Word never{0};
  for (int ms = 0;; ms++) {
    const uint32_t begun = may_be_early ? p->begun.load() : 0;
    const bool early = begun && p->in_vain.load() < kOften;  // asked before what may come of it
    if (kept.load() && put_own_words(c, p)) {
      if (p) p->in_vain.store(0);
      return;
    }
    const InFlight flying = put_words_in_flight(c);
    if (flying == InFlight::kPut || (!early && flying == InFlight::kNone)) return;
    if (ms == kMostMs) {
      if (p) p->in_vain.fetch_add(1);
      return;
    }
    if (early) p->waited_for.store(1);
    futex_wait(early ? &p->begun : &never, early ? begun : 0, 1);
  }
}

}  // namespace mx::agent
