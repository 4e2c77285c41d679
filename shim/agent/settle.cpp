#include "shim/agent/settle.h"

#include "shim/agent/epoll.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/form.h"
#include "shim/agent/memory.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/own_words.h"
#include "shim/agent/pair.h"
#include "shim/agent/remainder.h"
#include "shim/agent/report.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"
#include "shim/agent/threads.h"

namespace mx::agent {

using stream::Flight;
using stream::FlightPhase;
using stream::kRead;
using stream::kWritten;
using stream::StageShape;

namespace {

constexpr long kEisconn = -106, kEnotconn = -107, kEalready = -114, kEinprogress = -115,
               kEaddrinuse = -98, kEnodata = -61;

bool in_phase(const Flight& f, FlightPhase p) { return f.phase.load() == static_cast<uint32_t>(p); }
bool has_shape(const Flight& f, StageShape s) { return f.shape.load() == static_cast<uint32_t>(s); }
bool in_flight(const Lane& l) {
  return !in_phase(l.flight, FlightPhase::kNone) && l.flight.head == l.head.load();
}

// The kernel counts what it moves. (Not what is received and sent as a message, be the program's
// call a read or a write.)
bool counts(const Flight& f, int direction) {
  if (has_shape(f, StageShape::kBytes)) return direction == kRead;
  return has_shape(f, StageShape::kNone) && (moves(f.nr) >> direction & 1);
}

// Whether the lane's call, begun and not done, may account for bytes in this direction.
bool may_have_moved(const Lane& l, int direction) {
  if (!in_flight(l) || !in_phase(l.flight, FlightPhase::kBegun)) return false;
  if (has_shape(l.flight, StageShape::kBytes)) {
    auto index = static_cast<uint32_t>(&l - control()->lanes);
    uint64_t first;
    memcpy(&first, staging(index)->data, sizeof first);
    return direction == kRead && first != stream::kUntouched;
  }
  return counts(l.flight, direction);
}

uint64_t published_bytes(const Lane& l, int direction) {
  const Flight& f = l.flight;
  if (!in_flight(l)) return l.io[direction];
  uint64_t n = f.io[direction];
  const bool bytes = counts(f, direction);
  if (in_phase(f, FlightPhase::kDone) && f.result > 0 && bytes) n += f.result;
  return n;
}

void doubt(Thread* t, const Call& c, const char* what) {
  char text[160];
  copy_string(text, c.d->name, 32);
  size_t n = string_length(text, 32);
  copy_string(text + n, what, sizeof text - n);
  note(t, text);
}

bool returns_descriptor(long nr) { return sys::describe(nr).ret == sys::RetKind::kFd; }
// The kernel's answer is known: settle_numbers() has noted it.
bool has_opened(const Flight& f) {
  return in_phase(f, FlightPhase::kDone) && f.result >= 0 && returns_descriptor(f.nr);
}

bool open_here(int fd) { return !is_error(sys(__NR_fcntl, fd, 1 /*F_GETFD*/, 0)); }

bool is_socket(int fd) {
  int type, size = sizeof type;
  return sys(__NR_getsockopt, fd, 1 /*SOL_SOCKET*/, 3 /*SO_TYPE*/, &type, &size) == 0;
}

// Several threads may look for what their calls have opened: one at a time, and no number twice.
std::atomic<uint32_t> search_busy{0};

// The path names the folder (open(2), O_TMPFILE). Every open has its flags behind the path.
bool opens_nameless(const Call& c) {
  constexpr uint64_t kTmpfile = 020000000;
  uint64_t flags = c.args[c.d->path_arg + 1];
  if (c.nr == __NR_creat) return false;
  if (c.nr == __NR_openat2 && !copy_guarded(&flags, reinterpret_cast<void*>(flags), sizeof flags))
    return false;
  return flags & kTmpfile;
}

// Which file an open was for; false: it is not there, or no file was opened by name.
bool file_of(const Call& c, uint64_t (&id)[2]) {
  uint64_t st[18];
  int path = c.d->path_arg;
  if (path < 0 || opens_nameless(c)) return false;
  long dir =
      c.nr == __NR_open || c.nr == __NR_creat ? -100 /*AT_FDCWD*/ : static_cast<int>(c.args[0]);
  if (is_error(sys(__NR_newfstatat, dir, c.args[path], st, 0))) return false;
  id[0] = st[0];
  id[1] = st[1];
  return true;
}

bool is_file(int fd, const uint64_t (&id)[2]) {
  uint64_t st[18];
  return !is_error(sys(__NR_fstat, fd, st)) && st[0] == id[0] && st[1] == id[1];
}

// Numbers that the leader's table had and no event told of: `want` of them, which are nobody else's
// from then on, or fewer, which are left alone.
int find_new_descriptors(const Call& c, int* fds, int want, bool by_name) {
  Thread* t = c.t;
  const bool dup = c.nr == __NR_dup || c.nr == __NR_fcntl;
  const bool socket = c.nr == __NR_accept || c.nr == __NR_accept4 || c.nr == __NR_socket ||
                      c.nr == __NR_socketpair || (dup && is_socket(static_cast<int>(c.args[0])));
  auto reserved = static_cast<int>(control()->settings.reserved_fd);
  int top = static_cast<int>(t->proc->shared->max_fd.load()) + 256, found = 0;
  uint64_t file[2] = {};
  by_name = by_name && file_of(c, file);
  OneAtATime alone(search_busy);
  for (int fd = 0; fd <= top && fd < kMaxFds && found < want; fd++) {
    if (fd == reserved || fd_private(t, fd) || fd_known_open(t, fd) || !open_here(fd)) continue;
    if (socket != is_socket(fd) || !fd_carried(fd) || (by_name && !is_file(fd, file))) continue;
    fds[found++] = fd;
  }
  for (int i = 0; i < found && found == want; i++) fd_opened(t, fds[i], 0);
  return found;
}

// A thread whose call may have opened what no event told of has not looked for it yet.
bool another_has_opened(const Thread* t) {
  bool opened = false;
  each_thread(t->proc, [&](const Thread& o) {
    const bool looked = o.role != Role::kFollower && o.inherits != kKilledCall;
    if (&o == t || !o.lane || looked || !in_flight(*o.lane)) return;
    const long nr = o.lane->flight.nr;
    opened |=
        returns_descriptor(nr) || nr == __NR_pipe || nr == __NR_pipe2 || nr == __NR_socketpair;
  });
  return opened;
}

// What /proc says of the leader is gone with it: what it had opened there is of no use, and its
// number is free.
bool names_own_process(const Call& c) {
  char begin[6];
  const int path = c.d->path_arg;
  return path >= 0 && copy_guarded(begin, reinterpret_cast<void*>(c.args[path]), sizeof begin) &&
         memcmp(begin, "/proc/", sizeof begin) == 0;
}

void close_new_descriptor(const Call& c) {
  int fd;
  if (find_new_descriptors(c, &fd, 1, false) != 1) return;
  fd_closed(c.t, fd);
  sys(__NR_close, fd);
}

bool settle_new_descriptor(Call& c, const Flight& f) {
  int fd = static_cast<int>(f.result);
  if (c.nr == __NR_fcntl && c.args[1] != 0 && c.args[1] != kDupfdCloexec) return false;
  if (!has_opened(f) && find_new_descriptors(c, &fd, 1, true) != 1) {
    if (names_own_process(c) && !another_has_opened(c.t)) close_new_descriptor(c);
    return false;
  }
  c.ret = fd;
  bool accepts = c.nr == __NR_accept || c.nr == __NR_accept4;
  if (accepts && c.args[1]) sys(__NR_getpeername, fd, c.args[1], c.args[2]);
  return true;
}

bool settle_descriptor_pair(Call& c) {
  int fds[2];
  if (find_new_descriptors(c, fds, 2, true) != 2) return false;
  if (!copy_guarded(reinterpret_cast<void*>(c.args[c.nr == __NR_socketpair ? 3 : 0]), fds,
                    sizeof fds))
    return false;
  c.ret = 0;
  return true;
}

uint64_t moved(const Flight& f, int direction) {
  if (in_phase(f, FlightPhase::kDone)) return f.result > 0 ? f.result : 0;
  return f.moved[direction];
}

bool settle_bytes_read(Call& c, const Flight& f) {
  uint64_t n = moved(f, kRead);
  if (!n) return false;
  if (has_shape(f, StageShape::kBytes)) {
    if (n > stream::kStageBytes) return false;
    if (c.nr == __NR_recvmsg) return false;
    c.ret = deliver_bytes(c, n) ? static_cast<long>(n) : kEfault;
    return true;
  }
  // A file: its position has moved, its contents are still there.
  const bool at_its_place = c.nr == __NR_read || c.nr == __NR_readv ||
                            (c.nr == __NR_preadv2 && static_cast<int64_t>(c.args[3]) == -1);
  if (!at_its_place) return false;
  if (sys(__NR_lseek, c.args[0], -static_cast<int64_t>(n), 1 /*SEEK_CUR*/) < 0)
    doubt(c.t, c, ": what the killed leader read last is lost");
  return false;
}

void advance(uint64_t offset_at, uint64_t n) {
  int64_t offset;
  if (offset_at && copy_guarded(&offset, reinterpret_cast<void*>(offset_at), 8)) {
    offset += n;
    copy_guarded(reinterpret_cast<void*>(offset_at), &offset, 8);
  }
}

bool settle_bytes_written(Call& c, const Flight& f) {
  uint64_t n = moved(f, kWritten);
  if (divisible(c.nr)) {  // the rest is to be written, if there is one
    c.done = n + f.carried;
    return false;
  }
  if (!n) return false;
  c.ret = static_cast<long>(n);
  if (c.nr == __NR_sendfile) {
    advance(c.args[2], n);
    if (!c.args[2] && fd_private(c.t, static_cast<int>(c.args[1])))
      sys(__NR_lseek, c.args[1], n, 1);
  }
  if (c.nr == __NR_copy_file_range) {
    advance(c.args[1], n);
    advance(c.args[3], n);
  }
  return true;
}

bool settle_events(Call& c) {
  auto* e = reinterpret_cast<EpollEvent*>(staging(c.t->lane_index)->events);
  auto room = static_cast<int32_t>(c.args[2]);
  long n = 0;
  while (n < room && n < static_cast<long>(stream::kStageEvents) && e[n].events) n++;
  if (!n || !copy_guarded(reinterpret_cast<void*>(c.args[1]), e, n * sizeof *e)) return false;
  c.ret = n;
  return true;
}

bool bound(int fd) {
  uint16_t name[64];
  uint32_t size = sizeof name;
  if (sys(__NR_getsockname, fd, name, &size) != 0 || size <= 2) return false;
  return name[0] == 1 || name[1] != 0;  // a unix socket with a name, or a port
}

// Errors that say that a call, made again, has already
// been made. `registered`: so it was before the call.
bool says_done(const Call& c, const Flight& f, long error, bool registered) {
  switch (c.nr) {
    case __NR_epoll_ctl:
      return (c.args[1] == 1 && error == kEexist && !registered) ||
             (c.args[1] == 2 && error == kEnoent && registered);
    case __NR_connect:
      return error == kEisconn;
    case __NR_bind:
      return (error == kEinval || error == kEaddrinuse) && bound(static_cast<int>(c.args[0]));
    case __NR_shutdown:
      return error == kEnotconn;
    case __NR_unlink:
    case __NR_unlinkat:
    case __NR_rmdir:
    case __NR_rename:
    case __NR_renameat:
    case __NR_renameat2:
      return error == kEnoent && f.note;
    case __NR_mkdir:
    case __NR_mkdirat:
    case __NR_mknod:
    case __NR_mknodat:
    case __NR_link:
    case __NR_linkat:
    case __NR_symlink:
    case __NR_symlinkat:
      return error == kEexist && !f.note;
    case __NR_inotify_rm_watch:
      return error == kEinval;
    case __NR_removexattr:
    case __NR_lremovexattr:
    case __NR_fremovexattr:
      return error == kEnodata;
    default:
      return false;
  }
}

bool made_again(long nr) {
  switch (nr) {
    case __NR_epoll_ctl:
    case __NR_connect:
    case __NR_bind:
    case __NR_shutdown:
    case __NR_unlink:
    case __NR_unlinkat:
    case __NR_rmdir:
    case __NR_rename:
    case __NR_renameat:
    case __NR_renameat2:
    case __NR_mkdir:
    case __NR_mkdirat:
    case __NR_mknod:
    case __NR_mknodat:
    case __NR_link:
    case __NR_linkat:
    case __NR_symlink:
    case __NR_symlinkat:
    case __NR_inotify_rm_watch:
    case __NR_removexattr:
    case __NR_lremovexattr:
    case __NR_fremovexattr:
      return true;
    default:
      return false;
  }
}

bool repeat_and_judge(Call& c, const Flight& f) {
  const Hooks* hooks = hooks_of(c.nr);
  const bool registered = c.nr == __NR_epoll_ctl && is_registered(c);
  if (hooks && hooks->prepare) hooks->prepare(c);
  c.ret = execute(c);
  const bool added =
      c.nr == __NR_epoll_ctl && c.ret == kEexist && valid_fd(static_cast<int64_t>(c.args[2]));
  if (added && (fd_bits(c.t, static_cast<int>(c.args[2])) &
                kFdSignalfd)) {  // it hears of the killed leader's signals
    sys(__NR_epoll_ctl, c.exec[0], 2 /*EPOLL_CTL_DEL*/, c.exec[2], 0);
    c.ret = execute(c);
  }
  if (c.nr == __NR_connect && c.ret == kEalready) c.ret = kEinprogress;
  if (says_done(c, f, c.ret, registered)) c.ret = 0;
  return true;
}

// Calls whose effect nothing tells of, and which do harm when made twice.
void warn_of_repetition(const Call& c) {
  switch (c.nr) {
    case __NR_splice:
    case __NR_tee:
    case __NR_vmsplice:
    case __NR_msgsnd:
    case __NR_msgrcv:
    case __NR_semop:
    case __NR_semtimedop:
    case __NR_mq_timedsend:
    case __NR_mq_timedreceive:
    case __NR_kill:
    case __NR_tgkill:
    case __NR_recvmmsg:
    case __NR_rt_sigtimedwait:
      doubt(c.t, c, ": the killed leader may have executed it, it is made again");
      return;
    default:
      return;
  }
}

bool sent_to_oneself(const Call& c) {
  Thread* t = c.t;
  bool direct = c.nr == __NR_kill || c.nr == __NR_tkill;
  if (!direct && c.nr != __NR_tgkill) return false;
  if (static_cast<int32_t>(c.args[0]) != t->proc->vpid) return false;
  uint64_t sig = c.args[direct ? 1 : 2];
  if (sig < 1 || sig > 64) return false;
  return t->proc->shared->last_words.pending & bit(static_cast<int>(sig));
}

// It is for another thread of this process, which has not taken it: it went with the leader.
bool awaits_signal(const Call& c) {
  bool group = c.nr == __NR_tgkill || c.nr == __NR_rt_tgsigqueueinfo;
  if (!group && c.nr != __NR_tkill) return false;
  return is_expected(c.t, static_cast<int>(c.args[group ? 2 : 1]),
                     static_cast<int32_t>(c.args[group ? 1 : 0]));
}

bool settle_sent(Call& c, const Flight& f) {
  c.ret = deliver_sent(c);
  if (!divisible(c.nr) || c.ret == 0) return has_sent(c);  // (an empty datagram is one)
  c.done = c.ret + f.carried;
  return false;
}

bool settle_by_class(Call& c, const Flight& f) {
  if (has_shape(f, StageShape::kSent)) return settle_sent(c, f);
  if (has_shape(f, StageShape::kReceived)) {
    auto* m = reinterpret_cast<Mmsghdr*>(staging(c.t->lane_index)->vector);
    if (m->len == stream::kNoMessage || m->len > stream::kStageBytes) return false;
    c.ret = deliver_message(c);
    return true;
  }
  if (has_shape(f, StageShape::kEvents)) return settle_events(c);
  if (has_shape(f, StageShape::kBytes) || moves(c.nr) == 1) return settle_bytes_read(c, f);
  if (moves(c.nr)) return settle_bytes_written(c, f);
  switch (c.nr) {
    case __NR_pipe:
    case __NR_pipe2:
    case __NR_socketpair:
      return settle_descriptor_pair(c);
    case __NR_fcntl:
      return settle_new_descriptor(c, f);
    case __NR_dup2:
    case __NR_dup3:
      return false;
    case __NR_lseek:
      if (c.args[2] == 1 && c.args[1]) sys(__NR_lseek, c.args[0], f.note, 0);
      return false;
    case __NR_getdents:
    case __NR_getdents64:
      sys(__NR_lseek, c.args[0], f.note, 0);
      return false;
    default:
      break;
  }
  if (returns_descriptor(c.nr)) return settle_new_descriptor(c, f);
  if (sent_to_oneself(c)) return (c.ret = 0) == 0;
  if (made_again(c.nr)) return repeat_and_judge(c, f);
  warn_of_repetition(c);
  return false;
}

// Another thread has opened the number since, and told; or it is of another file now. What does not
// show: another thread had opened the same file once more, and not told. Then the close is made
// again, and so is the open: nobody finds what it had opened.
void settle_close(Thread* t, Flight& f) {
  const int fd = static_cast<int>(f.fd);
  const bool done = in_phase(f, FlightPhase::kDone), again = fd_opened_since(fd, f.ticket);
  const bool gone =
      open_here(fd) ? f.note && identity_of(fd) != f.note : f.note || fd_known_open(t, fd);
  if (done ? f.result != 0 : !again && !gone) return;
  if (!again) fd_was_closed(t, fd);
  f.result = 0;
  f.phase.store(static_cast<uint32_t>(FlightPhase::kDone));
}

}  // namespace

namespace {

// The killed leader's first thread, whose count of its own is known.
Lane* counted_lane(Process* p) {
  const uint32_t lane = p->lane[p->leader.load() & 1];
  const bool known =
      p->last_words.first_known && p->first_io_known.load() && lane < stream::kMaxLanes;
  return known ? &control()->lanes[lane] : nullptr;
}

uint64_t moved_by_first(const Process* p, const Lane& l, int direction) {
  const uint64_t total = p->last_words.first_io[direction],
                 told = p->first_io[direction].load() + published_bytes(l, direction);
  return total > told ? total - told : 0;
}

}  // namespace

void weigh_moved_bytes(Process* p) {
  Lane* first = counted_lane(p);
  for (int direction : {kRead, kWritten}) {
    uint64_t known = p->io_ended[direction].load(), movers = 0;
    each_lane(p, [&](Lane& l) {
      known += published_bytes(l, direction);
      movers += may_have_moved(l, direction);
    });
    uint64_t total = p->last_words.io[direction], left = total > known ? total - known : 0;
    if (first && may_have_moved(*first, direction)) {
      const uint64_t own = moved_by_first(p, *first, direction);
      first->flight.moved[direction] = own < left ? own : left;
      left -= first->flight.moved[direction];
      movers--;
    }
    each_lane(p, [&](Lane& l) {
      Flight& f = l.flight;
      if (&l == first && may_have_moved(l, direction)) return;
      f.moved[direction] = 0;
      if (!may_have_moved(l, direction) || !left) return;
      // Several at once: a call that was executed has most probably moved all that it was asked to.
      bool whole = movers == 1 || f.count >= left;
      f.moved[direction] = whole ? left : f.count;
      left -= f.moved[direction];
      movers--;
    });
  }
}

void settle_numbers(Thread* t) {
  each_lane(t->proc->shared, [t](Lane& l) {
    if (in_flight(l) && l.flight.nr == __NR_close) settle_close(t, l.flight);
  });
  each_lane(t->proc->shared, [t](Lane& l) {
    const Flight& f = l.flight;
    if (in_flight(l) && has_opened(f) && open_here(static_cast<int>(f.result)))
      fd_opened(t, static_cast<int>(f.result), 0);
  });
}

void forget_signals_read(Thread* t) {
  each_lane(t->proc->shared, [t](Lane& l) {
    const Flight& f = l.flight;
    if (!in_flight(l) || !has_shape(f, StageShape::kBytes) || !valid_fd(f.fd)) return;
    if (!(fd_bits(t, static_cast<int>(f.fd)) & kFdSignalfd)) return;
    const uint8_t* data = staging(static_cast<uint32_t>(&l - control()->lanes))->data;
    const uint64_t n = moved(f, kRead);
    forget_read(t, reinterpret_cast<const SignalRecord*>(data),
                n < stream::kStageBytes ? n : stream::kStageBytes);
  });
}

bool has_been_closed(const Call& c) {
  if (c.t->inherits != kKilledCall || !in_flight(*c.t->lane)) return false;
  const Flight& f = c.t->lane->flight;
  return f.nr == __NR_close && static_cast<uint64_t>(f.fd) == c.args[0] &&
         in_phase(f, FlightPhase::kDone);
}

void come_to_flight(Thread* t) {
  if (t->at_flight.load() || !t->regs || !t->lane) return;
  const Flight& f = t->lane->flight;
  const bool registers =
      in_flight(*t->lane) && f.nr == __NR_epoll_ctl && t->regs->nr == __NR_epoll_ctl &&
      static_cast<uint64_t>(f.fd) == t->regs->call_arg(0) && note_registration(t, *t->regs);
  t->at_flight.store(registers ? kRegisters : kThere);
}

bool awaits_flight(const Thread* t, uint64_t place) {
  bool awaits = false;
  each_thread(t->proc, [&](const Thread& o) {
    if (&o == t || !o.lane || o.at_flight.load()) return;
    const Flight& f = o.lane->flight;
    awaits |= in_flight(*o.lane) && f.nr == __NR_epoll_ctl && f.ticket == place + 1;
  });
  return awaits;
}

bool settle(Call& c) {
  Thread* t = c.t;
  const bool registered = t->at_flight.exchange(kNotThere) == kRegisters;
  Flight& f = t->lane->flight;
  const bool killed = t->inherits == kKilledCall;
  t->inherits = kNoCall;
  if (!in_flight(*t->lane)) return false;
  if (f.nr != c.nr) take_form(c, f.nr);
  int64_t fd = c.d->fd_arg < 0 ? -1 : static_cast<int64_t>(c.args[c.d->fd_arg]);
  // (AT_FDCWD comes with and without its upper half.)
  const bool same = f.nr == c.nr && static_cast<int32_t>(f.fd) == static_cast<int32_t>(fd);
  if (!killed) {  // it has stopped between two parts of a write, if in a call at all
    if (same && in_phase(f, FlightPhase::kBegun)) c.done = f.carried;
    return false;
  }
  if (!same) {
    doubt(t, c, ": the killed leader was in another call, whose effect is not known");
    return false;
  }
  keep_word_in_flight(c);
  if (registered && !(fd_bits(t, static_cast<int>(c.args[2])) & kFdSignalfd)) {
    settle_registration(c);
    return true;
  }
  if (in_phase(f, FlightPhase::kDone)) {
    if (f.result == kEintr || awaits_signal(c)) return false;
    bool all_told = f.result < 0 || (!c.d->out_mask && !c.blob_size && !f.shape.load());
    if (all_told) {
      c.ret = f.result;
      return true;
    }
  }
  return settle_by_class(c, f);
}

void close_untold(const Call& c) {
  if (c.t->inherits == kKilledCall && !in_flight(*c.t->lane) && !another_has_opened(c.t))
    close_new_descriptor(c);
}

int32_t settle_child(Thread* t, uint32_t& process, uint32_t& lane) {
  const bool killed = t->inherits == kKilledCall;
  t->inherits = kNoCall;
  if (!killed) return 0;
  const Flight& f = t->lane->flight;
  if (!in_flight(*t->lane) || f.child <= 0 || f.born_process >= stream::kMaxProcesses ||
      f.born_lane >= stream::kMaxLanes)
    return 0;
  process = f.born_process;
  lane = f.born_lane;
  return f.child;
}

}  // namespace mx::agent
