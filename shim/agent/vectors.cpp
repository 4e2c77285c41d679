#include "shim/agent/vectors.h"

#include "shim/agent/align.h"
#include "shim/agent/baton.h"
#include "shim/agent/compared.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/memory.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint32_t kMaxMessages = 1024;  // the kernel's limit too

// vmsplice as the table would describe it on a pipe's reading end.
sys::Desc reading_vmsplice() {
  sys::Desc d = sys::describe(__NR_vmsplice);
  const sys::Desc& readv = sys::describe(__NR_readv);
  d.args[1] = readv.args[1];
  d.in_mask = readv.in_mask;
  d.out_mask = readv.out_mask;
  return d;
}

bool reading_end(int fd) {
  constexpr int kGetfl = 3, kAccess = 3;
  long flags = sys(__NR_fcntl, fd, kGetfl, 0);
  return !is_error(flags) && (flags & kAccess) == 0;
}

bool has_results(Thread* t, const EventHeader& h) {
  Compared ignored;
  return h.size > peek_compared(t, sizeof h, h.nr, ignored);
}

}  // namespace

long perform_sendmmsg(Call& c) {
  long ret = execute_by_role(c);
  auto* lengths = reinterpret_cast<uint32_t*>(c.blob);
  auto* messages = reinterpret_cast<const Mmsghdr*>(c.args[1]);
  for (long i = 0; i < ret && c.blob; i++) lengths[i] = messages[i].len;
  return ret;
}

long run_sendmmsg(Call& c) {
  uint32_t lengths[kMaxMessages];
  uint64_t count = static_cast<uint32_t>(c.args[2]);
  if (count > kMaxMessages) count = kMaxMessages;
  memset(lengths, 0, count * sizeof lengths[0]);
  c.blob = reinterpret_cast<uint64_t>(lengths);
  c.blob_size = count * sizeof lengths[0];
  long ret = run_event(c);
  if (c.t->role == Role::kFollower && c.consumed && ret > 0) {
    auto* messages = reinterpret_cast<Mmsghdr*>(c.args[1]);
    for (uint64_t i = 0; i < static_cast<uint64_t>(ret) && i < count; i++)
      messages[i].len = lengths[i];
  }
  return ret;
}

long run_vmsplice(Call& c) {
  const sys::Desc reading = reading_vmsplice();
  Thread* t = c.t;
  if (t->role == Role::kFollower) {
    EventHeader h;
    Match m = follower_match(c, h);
    if (m == Match::kRedirected) return c.r->rax;
    if (m == Match::kMatched) {
      if (has_results(t, h)) c.d = &reading;
      follower_take(c, h);
      if (!(h.flags & stream::kOrdered)) await_baton(c);
      return c.ret;
    }
  }
  if (reading_end(static_cast<int>(c.args[0]))) c.d = &reading;
  if (t->role == Role::kLeader) leader_begin(c);
  c.ret = execute(c);
  if (c.ret == kEintr && restart_after_signal(c)) return c.r->rax;
  if (t->role == Role::kLeader) publish(c, EventKind::kCall, 0);
  if (c.ran_apart) run_again(c);
  return c.ret;
}

}  // namespace mx::agent
