#include "shim/agent/waits.h"

#include "shim/agent/compared.h"
#include "shim/agent/doubt.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint32_t kYields = 4, kTries = 300,
                   kTriesAtLock = 20;  // of a millisecond each, but for the first
constexpr uint32_t kMostVain = 3;

bool sleeps(long nr) { return nr == __NR_nanosleep || nr == __NR_clock_nanosleep; }

bool has_limit(const Call& c) {
  switch (c.nr) {
    case __NR_poll:
      return static_cast<int32_t>(c.args[2]) >= 0;
    case __NR_ppoll:
      return c.args[2] != 0;
    case __NR_epoll_wait:
    case __NR_epoll_pwait:
      return static_cast<int32_t>(c.args[3]) >= 0;
    case __NR_epoll_pwait2:
      return c.args[3] != 0;
    case __NR_select:
    case __NR_pselect6:
      return c.args[4] != 0;
    default:
      return true;
  }
}

// It polls other descriptors, or another number of them, than the leader.
bool polls_others(Call& c, const EventHeader& h) {
  if (h.kind != EventKind::kCall || h.nr != c.nr || (c.nr != __NR_poll && c.nr != __NR_ppoll))
    return false;
  Compared leader;
  return peek_compared(c.t, sizeof h, h.nr, leader) &&
         leader.values[1] != sys::compared_value(*c.d, 1, c.args);
}

// The leader has gone on to something else.
bool is_behind(Call& c, const EventHeader& h) {
  return h.kind == EventKind::kLock || polls_others(c, h) ||
         ((h.kind == EventKind::kCall || h.kind == EventKind::kIntent) && h.nr != c.nr);
}

void let_others_go_on(Thread* t, uint32_t tries) {
  if (tries < kYields)
    sys(__NR_sched_yield);
  else
    futex_wait(&t->lane->in_use, t->lane->in_use.load(), 1);
}

void clear_events(const Call& c) {
  constexpr uint64_t kPollfd = 8, kRevents = 6, kMost = 1 << 20, kBitsInByte = 8, kWord = 8;
  if (c.nr == __NR_poll || c.nr == __NR_ppoll) {
    for (uint64_t k = 0; k < c.args[1] && k < kMost; k++)
      *reinterpret_cast<uint16_t*>(c.args[0] + k * kPollfd + kRevents) = 0;
  } else if (c.nr == __NR_select || c.nr == __NR_pselect6) {
    const uint64_t nfds = c.args[0] < kMost ? c.args[0] : kMost;
    for (int i = 1; i <= 3; i++)
      if (c.args[i])
        memset(reinterpret_cast<void*>(c.args[i]), 0,
               (nfds + kBitsInByte * kWord - 1) / (kBitsInByte * kWord) * kWord);
  }
}

}  // namespace

bool is_wait(long nr) { return waits_for_work(nr) || sleeps(nr); }

bool is_empty_wait(const EventHeader& h) {
  if (h.kind == EventKind::kIntent) return sleeps(h.nr);
  return h.kind == EventKind::kCall && h.result == 0 && is_wait(h.nr) &&
         !(h.flags & stream::kSignalFollows);
}

bool waits_too_early(Call& c, const EventHeader& h) {
  Thread* t = c.t;
  if (!is_wait(c.nr) || !t->proc->multi_threaded || !is_behind(c, h)) return false;
  return worth_another_look(t, h.kind == EventKind::kLock);
}

bool worth_another_look(Thread* t, bool lock) {
  if (lock && t->early_vain >= kMostVain)
    return false;  // its leader takes locks that this version has not
  const uint32_t tries = t->early.before(t->pos);
  if (tries >= (lock ? kTriesAtLock : kTries)) {
    t->early_vain += lock;
    return false;
  }
  t->early.add(t->pos);
  let_others_go_on(t, tries);
  return true;
}

long nothing_came(Call& c) {
  if (!has_limit(c)) return kEintr;
  return guarded([&] { clear_events(c); }) ? 0 : kEfault;
}

}  // namespace mx::agent
