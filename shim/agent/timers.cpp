#include "shim/agent/timers.h"

#include "shim/agent/flight.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_ids.h"

namespace mx::agent {

namespace {

struct Sigevent {
  uint64_t value;
  int32_t signo, notify, tid;
  int32_t pad[11];
};

int64_t now_ns(int clock) {
  KernelTimespec ts;
  sys(__NR_clock_gettime, clock, &ts);
  return ts.sec * 1'000'000'000 + ts.nsec;
}

TimerRecord* record(Thread* t, uint64_t id) {
  for (TimerRecord& r : t->proc->timers)
    if (r.used && static_cast<uint64_t>(r.id) == id) return &r;
  return nullptr;
}

TimerRecord* unused_record(Thread* t) {
  for (TimerRecord& r : t->proc->timers)
    if (!r.used) return &r;
  return nullptr;
}

constexpr int kMonotonic = 1;

}  // namespace

long run_timer_create(Call& c) {
  Sigevent event{0, 14, 0, 0, {}};
  bool given = c.args[1] && readable(reinterpret_cast<void*>(c.args[1]), 24);
  if (given) memcpy(&event, reinterpret_cast<void*>(c.args[1]), 24);
  c.scratch[0] = 0;  // the kernel's id, and one
  long ret = run_event(c);
  if (ret != 0 || c.t->regs_redirected) return ret;
  const int id = *reinterpret_cast<int*>(c.args[2]);
  TimerRecord* const free = unused_record(c.t);
  if (!free) return ret;
  TimerRecord& r = *free;
  r = {};
  r.used = 1;
  r.id = id;
  r.clock = static_cast<int32_t>(c.args[0]);
  r.signo = event.signo;
  r.notify = event.notify;
  r.tid = event.tid;
  r.value = given ? event.value : static_cast<uint64_t>(id);
  r.kernel_id = c.scratch[0] ? static_cast<int32_t>(c.scratch[0]) - 1 : id;
  return ret;
}

long perform_timer_create(Call& c) {
  constexpr int32_t kThreadId = 4;
  Thread* t = c.t;
  Sigevent event;
  if (c.args[1] && copy_guarded(&event, reinterpret_cast<void*>(c.args[1]), sizeof event) &&
      event.notify == kThreadId) {
    event.tid = static_cast<int32_t>(own_thread(t, event.tid));
    c.exec[1] = reinterpret_cast<uint64_t>(&event);
  }
  const long ret = execute_by_role(c);
  c.exec[1] = c.args[1];
  if (ret != 0) return ret;
  auto& id = *reinterpret_cast<int32_t*>(c.args[2]);
  c.scratch[0] = static_cast<uint64_t>(id) + 1;
  while (record(t, static_cast<uint64_t>(id))) id++;  // one from before a failover has this number
  return ret;
}

// A number that is none of the program's may be that of the agent's own timer.
void prepare_timer(Call& c) {
  constexpr uint64_t kNone = 0x7fffffff;
  if (TimerRecord* r = record(c.t, c.args[0]))
    c.exec[0] = r->kernel_id;
  else if (c.args[0] < kMaxTimers)
    c.exec[0] = kNone;
}

void localise_timer_settime(Call& c) {
  TimerRecord* r = record(c.t, c.args[0]);
  if (!r || c.ret != 0 || !c.args[2]) return;
  memcpy(r->spec, reinterpret_cast<void*>(c.args[2]), 32);
  r->absolute = c.args[1] & 1;
  r->set_at[0] = now_ns(kMonotonic);
}

void localise_timer_delete(Call& c) {
  TimerRecord* r = record(c.t, c.args[0]);
  if (r && c.ret == 0) r->used = 0;
}

void localise_setitimer(Call& c) {
  if (c.ret != 0 || c.args[0] > 2 || !c.args[1]) return;
  auto* spec = reinterpret_cast<int64_t*>(c.args[1]);
  int64_t* d = c.t->proc->itimer_deadline[c.args[0]];
  d[1] = spec[0] * 1'000'000 + spec[1];
  d[0] = spec[2] * 1'000'000 + spec[3];
  d[2] = now_ns(kMonotonic);
}

void localise_alarm(Call& c) {
  int64_t* d = c.t->proc->itimer_deadline[0];
  d[0] = static_cast<int64_t>(c.args[0]) * 1'000'000;
  d[1] = 0;
  d[2] = now_ns(kMonotonic);
}

void restore_timers(Thread* t) {
  int64_t now = now_ns(kMonotonic);
  for (int which = 0; which < 3; which++) {
    int64_t* d = t->proc->itimer_deadline[which];
    if (!d[0]) continue;
    int64_t passed = which == 0 ? (now - d[2]) / 1000 : 0;
    int64_t left = d[0] - passed;
    if (left <= 0) {
      if (!d[1]) continue;  // a single shot that has gone off
      left = d[1] - (-left % d[1]);
    }
    int64_t spec[4] = {d[1] / 1'000'000, d[1] % 1'000'000, left / 1'000'000, left % 1'000'000};
    sys(__NR_setitimer, which, spec, nullptr);
  }
  for (TimerRecord& r : t->proc->timers) {
    if (!r.used) continue;
    Sigevent event{r.value, r.signo, r.notify, static_cast<int32_t>(own_thread(t, r.tid)), {}};
    int32_t id;
    if (sys(__NR_timer_create, r.clock, &event, &id) != 0) continue;
    r.kernel_id = id;
    int64_t value =
        static_cast<int64_t>(r.spec[2]) * 1'000'000'000 + static_cast<int64_t>(r.spec[3]);
    int64_t interval =
        static_cast<int64_t>(r.spec[0]) * 1'000'000'000 + static_cast<int64_t>(r.spec[1]);
    if (!value) continue;
    if (!r.absolute) {
      value -= now - r.set_at[0];
      if (value <= 0 && !interval) continue;
      if (value <= 0) value = interval - (-value % interval);
    }
    int64_t spec[4] = {interval / 1'000'000'000, interval % 1'000'000'000, value / 1'000'000'000,
                       value % 1'000'000'000};
    sys(__NR_timer_settime, id, r.absolute ? 1 : 0, spec, nullptr);
  }
}

}  // namespace mx::agent
