#include "shim/agent/polls.h"

#include "shim/agent/children.h"
#include "shim/agent/memory.h"

namespace mx::agent {

bool polls_child(uint64_t nr, uint64_t pid, uint64_t options) {
  constexpr uint64_t kNoHang = 1;
  return nr == __NR_wait4 && static_cast<int32_t>(pid) > 0 && (options & kNoHang);
}

bool answer_from_kept(Call& c) {
  LocalProcess* p = c.t->proc;
  for (uint32_t i = 0; i < p->n_kept; i++) {
    if (p->kept[i].vpid != static_cast<int32_t>(c.args[0])) continue;
    const int status = p->kept[i].status;
    c.ret = p->kept[i].vpid;
    if (c.args[1] && !guarded([&] { *reinterpret_cast<int*>(c.args[1]) = status; }))
      c.ret = kEfault;
    p->kept[i] = p->kept[--p->n_kept];
    return true;
  }
  return false;
}

void keep_answer(Thread* t, int32_t vpid, int status) {
  LocalProcess* p = t->proc;
  if (p->n_kept == kMaxKept) p->kept[0] = p->kept[--p->n_kept];
  p->kept[p->n_kept++] = {vpid, status};
}

void take_foreign_poll(Thread* t, const EventHeader& h) {
  constexpr uint64_t kRusage = 144;
  int status = 0;
  uint8_t usage[kRusage];
  Call c{};
  c.t = t;
  c.r = t->regs;
  c.d = &sys::describe(__NR_wait4);
  c.nr = __NR_wait4;
  c.args[0] = static_cast<uint64_t>(h.result);
  c.args[1] = reinterpret_cast<uint64_t>(&status);
  c.args[2] = 1;
  c.args[3] = reinterpret_cast<uint64_t>(usage);
  t->intents = 1;  // these arguments are made up: nothing to compare
  follower_take(c, h);
  const auto vpid = static_cast<int32_t>(h.result);
  if (has_ended(status)) follower_reaps(t, vpid, status);
  keep_answer(t, vpid, status);
}

}  // namespace mx::agent
