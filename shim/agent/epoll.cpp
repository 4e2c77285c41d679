#include "shim/agent/epoll.h"

#include "shim/agent/baton.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/line_reader.h"
#include "shim/agent/memory.h"

extern "C" long mx_blocking(long nr, const uint64_t args[6]);

namespace mx::agent {

namespace {

constexpr int kAdd = 1, kDel = 2, kMod = 3;

using Event = EpollEvent;
static_assert(sizeof(Event) == 12);

// The registration of fd at epfd; the first one of a descriptor stands in a table by number.
EpollEntry* find(Thread* t, int epfd, int fd, bool create) {
  if (!valid_fd(fd)) return nullptr;
  LocalProcess* p = t->proc;
  EpollEntry& first = p->epoll[fd];
  bool used = p->fds[fd] & kFdEpoll;
  if (used && first.epfd == epfd) return &first;
  EpollEntry* spare = nullptr;
  for (EpollEntry& e : p->extra_epoll) {
    if (e.epfd == epfd + 1 && e.fd == fd) return &e;
    if ((e.epfd == 0 || e.fd == -1) && !spare) spare = &e;
    if (e.epfd == 0) break;
  }
  if (!create) return nullptr;
  if (!used) {
    p->fds[fd] |= kFdEpoll;
    first.epfd = epfd;
    first.fd = fd;
    return &first;
  }
  if (spare) {
    spare->epfd = epfd + 1;  // 0 means free
    spare->fd = fd;
  }
  return spare;
}

EpollEntry* entry_of(const Call& c, bool create) {
  return find(c.t, static_cast<int>(c.args[0]), static_cast<int>(c.args[2]), create);
}

void forget(const Call& c) {
  EpollEntry* e = entry_of(c, false);
  if (!e) return;
  const auto fd = static_cast<int>(c.args[2]);
  if (e == &c.t->proc->epoll[fd])
    c.t->proc->fds[fd] &= ~kFdEpoll;
  else
    e->fd = -1;
}

void set_data(const Call& c) {
  if (EpollEntry* e = entry_of(c, true)) e->data = reinterpret_cast<const Event*>(c.args[3])->data;
}

// What a call has changed before the kernel got it.
struct Before {
  uint64_t data;     ///< what it was
  uint64_t changed;  ///< or kGone: what it registers has been taken away by another thread
};
constexpr uint64_t kGone = 2;
Before& before_of(Call& c) { return *reinterpret_cast<Before*>(c.scratch + 2); }

}  // namespace

void begin_epoll_ctl(Call& c) { before_of(c) = {}; }

void prepare_epoll_ctl(Call& c) {
  int op = static_cast<int>(c.args[1]);
  before_of(c) = {};
  if (const EpollEntry* e = op == kDel ? entry_of(c, false) : nullptr) {
    before_of(c) = {e->data, 1};
    forget(c);
  }
  if (op == kDel || !c.args[3] || !readable(reinterpret_cast<void*>(c.args[3]), sizeof(Event)))
    return;
  // The kernel copies the event at once, so a copy on the agent's stack will do: it lives in Call.
  auto* given = reinterpret_cast<const Event*>(c.args[3]);
  auto* own = reinterpret_cast<Event*>(c.scratch);
  own->events = given->events;
  own->data = static_cast<uint32_t>(c.args[2]);
  c.exec[3] = reinterpret_cast<uint64_t>(own);
  // Another thread may wait at this set already: what it is told of has to be known by then.
  const EpollEntry* e = entry_of(c, false);
  before_of(c) = {e ? e->data : 0, (op == kMod) == (e != nullptr)};
  if (before_of(c).changed) set_data(c);
}

void finish_epoll_ctl(Call& c) {
  const Before before = before_of(c);
  if (before.changed == kGone) return forget(c);
  if (c.ret >= 0 || !before.changed) return localise_epoll_ctl(c);
  if (c.args[1] == kAdd) return forget(c);
  if (EpollEntry* e = entry_of(c, c.args[1] == kDel)) e->data = before.data;
}

void localise_epoll_ctl(Call& c) {
  if (c.ret < 0) return;
  if (c.args[1] == kDel)
    forget(c);
  else
    set_data(c);
}

bool is_registered(const Call& c) { return entry_of(c, false) != nullptr; }

bool note_registration(Thread* t, const Regs& r) {
  Event given;
  if (r.call_arg(1) == kDel ||
      !copy_guarded(&given, reinterpret_cast<void*>(r.call_arg(3)), sizeof given))
    return false;
  const auto epfd = static_cast<int>(r.call_arg(0)), fd = static_cast<int>(r.call_arg(2));
  EpollEntry* e = find(t, epfd, fd, false);
  if ((r.call_arg(1) == kMod) != (e != nullptr))
    return false;  // the kernel is to say that it cannot
  if (!e) e = find(t, epfd, fd, true);
  if (e) e->data = given.data;
  return e != nullptr;
}

void settle_registration(Call& c) {
  const auto is_gone = [&c] {
    return !entry_of(c, false);
  };  // as prepare_epoll_ctl() of another thread's EPOLL_CTL_DEL leaves it
  const bool was_there = !is_gone();
  prepare_epoll_ctl(c);
  bool gone = !was_there || (c.args[1] == kAdd && before_of(c).changed);
  c.ret = gone ? 0 : execute(c);
  const bool made = !gone && c.ret == 0;
  gone |= is_gone();
  if (made && gone) sys(__NR_epoll_ctl, c.exec[0], kDel, c.exec[2], 0);
  if (c.ret == kEexist || (c.ret == kEnoent && gone)) c.ret = 0;
  if (gone) before_of(c).changed = kGone;
}

void forget_epoll(Thread* t, int fd) {
  t->proc->fds[fd] &= ~kFdEpoll;
  for (EpollEntry& e : t->proc->extra_epoll) {
    if (e.epfd == 0) break;
    if (e.fd == fd) e.fd = -1;
  }
}

namespace {

constexpr int kDozeMs = 1;
constexpr uint32_t kBusy = 2;

// A wait for events as two system calls: `nr` with `args`, and where its timeout stands.
struct EventWait {
  long nr;
  uint64_t args[6];
  int timeout_arg;
};

// Before a leader blocks, its follower has to be woken: dear, if the next event comes at once. So a
// busy server first looks without waiting, then waits a millisecond with the follower left asleep.
// A server whose waits end by timeout is idle and blocks right away.
bool look_first(Call& c, EventWait w, int64_t timeout_ms, long& result) {
  Thread* t = c.t;
  if (t->busy == 0 || t->pending) return false;
  w.args[w.timeout_arg] = 0;
  result = raw6(w.nr, w.args[0], w.args[1], w.args[2], w.args[3]);
  if (result == 0 && !is_serial(t) && consumer_behind(t) &&
      (timeout_ms < 0 || timeout_ms > kDozeMs)) {
    w.args[w.timeout_arg] = kDozeMs;
    t->kicked = 0;
    result = mx_blocking(w.nr, w.args);
    if (result == kKeptOut) result = kEintr;
    if (result == kEintr && !t->pending) return false;  // kicked: execute() sees to that
  }
  if (result > 0) t->busy = kBusy;
  return result != 0;
}

long wait_for_events(Call& c, const EventWait& w, int64_t timeout_ms) {
  long n = 0;
  if (timeout_ms != 0 && look_first(c, w, timeout_ms, n)) return n;
  n = execute(c);
  uint32_t& busy = c.t->busy;
  busy = n > 0 ? kBusy : busy ? busy - 1 : 0;
  return n;
}

}  // namespace

long perform_epoll_wait(Call& c) {
  stage_events(c);
  bool plain = c.nr == __NR_epoll_wait || (c.nr == __NR_epoll_pwait && !c.args[4]);
  long n =
      plain ? wait_for_events(c, {__NR_epoll_wait, {c.exec[0], c.exec[1], c.exec[2], 0, 0, 0}, 3},
                              static_cast<int>(c.args[3]))
            : execute(c);
  return unstage_events(c, n);
}

void localise_epoll_wait(Call& c) {
  auto* events = reinterpret_cast<Event*>(c.args[1]);
  for (long i = 0; i < c.ret; i++) {
    auto epfd = static_cast<int>(c.args[0]), fd = static_cast<int>(events[i].data);
    EpollEntry* e = find(c.t, epfd, fd, false);
    // The number was closed but the file is open under
    // another one: what was registered last still counts.
    if (!e && valid_fd(fd) && c.t->proc->epoll[fd].epfd == epfd) e = &c.t->proc->epoll[fd];
    if (e) events[i].data = e->data;
  }
}

namespace {

// A registration as /proc/self/fdinfo shows it: "tfd: FD
// events: MASK data: DATA …", the last two hexadecimal.
bool parse_registration(const char* line, Event& e, int& fd) {
  if (!starts_with(line, "tfd:")) return false;
  auto after = [&line](const char* word) {
    while (*line && !starts_with(line, word)) line++;
    line += *line ? string_length(word, 16) : 0;
    while (*line == ' ') line++;
  };
  after("tfd:");
  fd = static_cast<int>(number(line, 10));
  after("events:");
  e.events = static_cast<uint32_t>(number(line, 16));
  after("data:");
  e.data = number(line, 16);
  return true;
}

constexpr int kMostSignalfds = 16;

// The registrations of signalfds at epfd.
int signal_registrations(Thread* t, int epfd, Event (&events)[kMostSignalfds],
                         int (&fds)[kMostSignalfds]) {
  char path[48] = "/proc/self/fdinfo/";
  append_number(path, string_length(path, sizeof path), static_cast<uint64_t>(epfd));
  long file = sys(__NR_openat, -100 /*AT_FDCWD*/, path, 02000000);
  if (is_error(file)) return 0;
  LineReader reader{static_cast<int>(file), {}};
  int n = 0;
  for (char* line; n < kMostSignalfds && (line = reader.next());)
    if (parse_registration(line, events[n], fds[n]) && valid_fd(fds[n]) &&
        (fd_bits(t, fds[n]) & kFdSignalfd))
      n++;
  sys(__NR_close, file);
  return n;
}

void register_again(Thread* t, int epfd) {
  Event events[kMostSignalfds];
  int fds[kMostSignalfds];
  int n = signal_registrations(t, epfd, events, fds);
  for (int k = 0; k < n; k++) {
    sys(__NR_epoll_ctl, epfd, kDel, fds[k], 0);
    sys(__NR_epoll_ctl, epfd, kAdd, fds[k], &events[k]);
  }
}

}  // namespace

void restore_signalfds(Thread* t) {
  int done = -1;
  for (int fd = 0; fd <= t->proc->max_fd; fd++) {
    uint16_t bits = fd_bits(t, fd);
    if (!(bits & kFdSignalfd) || !(bits & kFdEpoll) || t->proc->epoll[fd].epfd == done) continue;
    done = t->proc->epoll[fd].epfd;
    register_again(t, done);
    for (const EpollEntry& e : t->proc->extra_epoll) {
      if (e.epfd == 0) break;
      if (e.fd == fd) register_again(t, e.epfd - 1);
    }
  }
}

long perform_poll(Call& c) {
  return wait_for_events(c, {__NR_poll, {c.args[0], c.args[1], 0, 0, 0, 0}, 2},
                         static_cast<int>(c.args[2]));
}

}  // namespace mx::agent
