#include "shim/agent/fds.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/children.h"
#include "shim/agent/epoll.h"
#include "shim/agent/ethtool.h"
#include "shim/agent/flight.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_words.h"
#include "shim/agent/pair.h"
#include "shim/agent/record_locks.h"
#include "shim/agent/settle.h"

namespace mx::agent {

namespace {
constexpr uint64_t kCloexec = 02000000, kNonblock = 04000;
constexpr int kDupfd = 0, kGetfd = 1, kSetfd = 2, kGetfl = 3, kSetfl = 4, kGetlk = 5, kSetlk = 6,
              kSetlkw = 7, kSetown = 8, kGetown = 9, kGetownEx = 16, kOfdGetlk = 36, kOfdSetlk = 37,
              kOfdSetlkw = 38;

bool owns(const Call& c) { return static_cast<int32_t>(c.args[2]) == c.t->proc->vpid; }

bool is_lock(int cmd) {
  return (cmd >= kGetlk && cmd <= kSetlkw) || (cmd >= kOfdGetlk && cmd <= kOfdSetlkw);
}

uint8_t flags_to_bits(uint64_t flags) {
  return static_cast<uint8_t>(((flags & kCloexec) ? kFdCloexec : 0) |
                              ((flags & kNonblock) ? kFdNonblock : 0));
}
}  // namespace

bool fd_reserved(int64_t fd) { return fd == control()->settings.reserved_fd; }

bool never_blocks(Thread* t, int fd) {
  if (!valid_fd(fd)) return true;
  uint16_t& bits = fd_bits(t, fd);
  if (!(bits & kFdClassified)) {
    uint32_t st[36];
    if (is_error(sys(__NR_fstat, fd, st))) return true;
    uint32_t type = st[6] & 0170000;
    if (type == 0100000 || type == 0040000 || type == 0060000) bits |= kFdRegular;
    if (type == 0140000) bits |= kFdSocket;
    long flags = sys(__NR_fcntl, fd, kGetfl, 0);
    if (!is_error(flags) && (flags & kNonblock)) bits |= kFdNonblock;
    bits |= kFdClassified;
  }
  return bits & (kFdRegular | kFdNonblock);
}

bool waits_for_lock(const Call& c) {
  constexpr uint64_t kNonblocking = 4;  // LOCK_NB
  if (c.d->nr == __NR_flock) return !(c.args[1] & kNonblocking);
  return c.args[1] == kSetlkw || c.args[1] == kOfdSetlkw;
}

namespace {
// The kernel doubles its table of descriptors when a number is beyond it, and in a process with
// threads waits for RCU then (some 10 ms). A follower does that here, not when clients wait for it
// to take over. (Up to the arena's number the table is there.)
void grow_table(Thread* t, int fd) {
  const auto arena = static_cast<int>(control()->settings.reserved_fd);
  const int most = t->proc->max_fd > arena ? t->proc->max_fd : arena;
  if (t->role != Role::kFollower || fd <= most || (fd ^ most) <= most) return;
  const long grown = sys(__NR_fcntl, arena, kDupfdCloexec, fd);
  if (!is_error(grown)) sys(__NR_close, grown);
}

// The leader's thread that had this number for a file of its own has closed it, which is no event:
// the follower's may be about to.
void await_private_closed(Thread* t, int fd) {
  constexpr int kYields = 50, kStepMs = 1, kSteps = 2000;
  if (t->role != Role::kFollower || !t->proc->multi_threaded) return;
  Word never{0};
  for (int i = 0; i < kSteps && fd_private(t, fd); i++) {
    if (i < kYields)
      sys(__NR_sched_yield);
    else
      futex_wait(&never, 0, kStepMs);
  }
}

constexpr int kCarriedLimit = 4096;
uint64_t carried[kCarriedLimit / 64];
// Of each number: the place in the order of events,
// + 1, at which the leader's threads opened it last.
uint32_t opened_at[kCarriedLimit];
}  // namespace

void fd_opened(Thread* t, int fd, uint16_t bits) {
  if (!valid_fd(fd)) return;
  await_private_closed(t, fd);
  if (t->role == Role::kFollower && t->proc->multi_threaded && fd < kCarriedLimit)
    opened_at[fd] = static_cast<uint32_t>(t->followed);
  grow_table(t, fd);
  fd_bits(t, fd) = bits | kFdTouched | kFdOpen;
  forget_counter(fd);
  if (fd > t->proc->max_fd) t->proc->max_fd = fd;
  Word& shared = t->proc->shared->max_fd;
  if (static_cast<uint32_t>(fd) > shared.load(std::memory_order_relaxed)) shared.store(fd);
}

void fd_was_closed(Thread* t, int fd) {
  if (!valid_fd(fd)) return;
  if (fd_bits(t, fd) & kFdEpoll) forget_epoll(t, fd);
  fd_bits(t, fd) = kFdTouched;
}

void fd_closed(Thread* t, int fd) {
  fd_was_closed(t, fd);
  // Who looks for what the killed leader has opened
  // last must not find what is opened here from now on.
  if (fd < kCarriedLimit)
    __atomic_fetch_and(&carried[fd / 64], ~(uint64_t{1} << (fd % 64)), __ATOMIC_RELAXED);
}

bool fd_opened_since(int fd, uint64_t ticket) {
  if (fd < 0 || fd >= kCarriedLimit || !opened_at[fd] || !ticket) return false;
  return static_cast<int32_t>(opened_at[fd] - static_cast<uint32_t>(ticket)) > 0;
}

void forget_opened() { memset(opened_at, 0, sizeof opened_at); }

bool fd_known_open(Thread* t, int fd) {
  uint16_t bits = fd_bits(t, fd);
  if (bits & kFdTouched) return bits & kFdOpen;
  return fd < 4096 && (image_of(t).inherited[fd / 64] >> (fd % 64) & 1);
}

void forget_carried() {
  for (uint64_t& word : carried) word = 0;
}

void note_carried(int fd) {
  if (fd >= 0 && fd < kCarriedLimit) carried[fd / 64] |= uint64_t{1} << (fd % 64);
}

// Higher numbers are not noted: they count as carried.
bool fd_carried(int fd) {
  return fd >= kCarriedLimit || (fd >= 0 && (carried[fd / 64] >> (fd % 64) & 1));
}

void note_inherited(Thread* t) {
  uint64_t* const inherited = image_of(t).inherited;
  int top = static_cast<int>(t->proc->shared->max_fd.load());
  if (top < 2) top = 2;
  for (int fd = 0; fd < 4096; fd++) {
    if (fd % 64 == 0) inherited[fd / 64] = 0;
    if (fd <= top && !is_error(sys(__NR_fcntl, fd, kGetfd, 0)))
      inherited[fd / 64] |= uint64_t{1} << (fd % 64);
  }
}

namespace {
long put_under(Thread* t, int own, int fd, bool cloexec) {
  const OwnsAllNumbers owns(t);
  return sys(__NR_dup3, own, fd, cloexec ? kCloexec : 0);
}
}  // namespace

long place_private(Thread* t, int own, int fd, bool cloexec) {
  if (!valid_fd(fd)) {
    sys(__NR_close, own);
    return kEbadf;
  }
  if (own != fd) {
    await_private_closed(t, fd);
    const long r = put_under(t, own, fd, cloexec);
    sys(__NR_close, own);
    if (is_error(r)) return r;
  }
  fd_opened(t, fd, kFdPrivate | (cloexec ? kFdCloexec : 0));
  return fd;
}

void note_leader_only_fd(Thread* t, int fd) {
  if (valid_fd(fd) && !fd_private(t, fd)) fd_opened(t, fd, 0);
}

void close_all_shared(Thread* t) {
  constexpr uint64_t kUnshare = 2;  // CLOSE_RANGE_UNSHARE: should the table be its maker's
  const auto mine = static_cast<int>(control()->settings.reserved_fd);
  const int top = t->proc->max_fd > mine ? t->proc->max_fd : mine;
  int first = 0;
  for (int fd = 0; fd <= top; fd++) {
    if (fd != mine && !fd_private(t, fd)) continue;
    if (first < fd) sys(__NR_close_range, first, fd - 1, kUnshare);
    first = fd + 1;
  }
  sys(__NR_close_range, first, ~0u, kUnshare);
}

void close_all_private(Thread* t) {
  for (int fd = 0; fd <= t->proc->max_fd; fd++) {
    if (fd_private(t, fd) && !fd_reserved(fd)) sys(__NR_close, fd);
    fd_bits(t, fd) = 0;
  }
}

void localise_new_fd(Call& c) {
  if (c.ret < 0) return;
  uint64_t flags = 0;
  switch (c.nr) {
    case __NR_accept4:
      flags = c.args[3];
      break;
    case __NR_socket:
      flags = c.args[1];
      break;
    case __NR_eventfd2:
    case __NR_timerfd_create:
      flags = c.args[1];
      break;
    case __NR_epoll_create1:
    case __NR_inotify_init1:
      flags = c.args[0];
      break;
    case __NR_signalfd4:
      flags = c.args[3];
      break;
    default:
      break;
  }
  bool classified = c.nr == __NR_accept || c.nr == __NR_accept4 || c.nr == __NR_socket;
  bool signals = c.nr == __NR_signalfd || c.nr == __NR_signalfd4;
  fd_opened(c.t, c.ret,
            flags_to_bits(flags) | (classified ? kFdClassified | kFdSocket : 0) |
                (signals ? kFdSignalfd : 0));
  if (c.nr == __NR_eventfd || c.nr == __NR_eventfd2) note_counter(static_cast<int>(c.ret));
}

void localise_fd_pair(Call& c) {
  if (c.ret < 0) return;
  bool pair = c.nr == __NR_socketpair;
  auto* fds = reinterpret_cast<int*>(c.args[pair ? 3 : 0]);
  uint64_t flags = pair ? c.args[1] : c.nr == __NR_pipe2 ? c.args[1] : 0;
  for (int i : {0, 1})
    fd_opened(c.t, fds[i], static_cast<uint16_t>(flags_to_bits(flags) | kFdPair));
  note_pair(fds[0], fds[1]);
}

// In a version that acts the number is free, for another thread too, as soon as the kernel has
// closed it: its place in the order is from before.
void prepare_close(Call& c) {
  Thread* t = c.t;
  if (t->role == Role::kLeader && !t->ticket &&
      t->proc->shared->threads.load(std::memory_order_relaxed) > 1)
    take_ticket(t);
  if (t->lane) t->lane->flight.ticket = t->ticket;
  fd_closed(t, static_cast<int>(c.args[0]));
}

void localise_close(Call& c) {
  if (c.t->role != Role::kFollower)
    return;  // settle_numbers() has done it: the number may be another's by now
  // Even with an error (EINTR, EIO) the number is free afterwards; EBADF changes nothing.
  if (c.ret != kEbadf) fd_closed(c.t, static_cast<int>(c.args[0]));
}

// dup, dup2, dup3, F_DUPFD: the copy is private where the original is.
void localise_dup(Call& c) {
  if (c.ret < 0 || !valid_fd(c.ret)) return;
  Thread* t = c.t;
  int from = static_cast<int>(c.args[0]), to = static_cast<int>(c.ret);
  if (from == to) return;
  bool cloexec = (c.nr == __NR_dup3 && (c.args[2] & kCloexec)) ||
                 (c.nr == __NR_fcntl && c.args[1] == kDupfdCloexec);
  bool was_private = fd_private(t, to);
  uint16_t bits = valid_fd(from) ? fd_bits(t, from) & ~(kFdCloexec | kFdEpoll) : 0;
  if (cloexec) bits |= kFdCloexec;
  if (t->role == Role::kFollower && c.consumed) {
    if (bits & kFdPrivate) {
      put_under(t, from, to, cloexec);
    } else if (was_private) {
      sys(__NR_close, to);
    }
  }
  fd_closed(t, to);
  fd_opened(t, to, bits);
}

long run_dup_to(Call& c) {
  if (fd_reserved(static_cast<int>(c.args[1]))) return kEbadf;
  return run_event(c);
}

long run_fcntl(Call& c) {
  int cmd = static_cast<int>(c.args[1]);
  int fd = static_cast<int>(c.args[0]);
  if (fd_reserved(fd)) return kEbadf;
  if (cmd == kDupfd || cmd == kDupfdCloexec) {
    Word& top = c.t->proc->shared->max_fd;  // where the keeper looks for what was opened last
    if (c.t->role == Role::kLeader && valid_fd(c.args[2]) && c.args[2] > top.load())
      top.store(c.args[2]);
    long ret = run_event(c);
    if (c.consumed || c.t->role != Role::kFollower) localise_dup(c);
    return ret;
  }
  if (fd_private(c.t, fd) && !is_lock(cmd)) return run_local(c);
  if (cmd == kGetlk || cmd == kOfdGetlk) c.blob_size = 32;
  if (cmd == kGetownEx) c.blob_size = 8;
  if (c.blob_size) c.blob = c.args[2];
  long ret = run_event(c);
  if (ret == 0 && (cmd == kSetlk || cmd == kSetlkw)) note_record_lock(c.t, fd);
  if (ret >= 0 && valid_fd(fd)) {
    uint16_t& bits = fd_bits(c.t, fd);
    if (cmd == kSetfl) bits = (bits & ~kFdNonblock) | ((c.args[2] & kNonblock) ? kFdNonblock : 0);
    if (cmd == kSetown) bits = owns(c) ? bits | kFdOwned : bits & ~kFdOwned;
    if (cmd == kSetfd) bits = (bits & ~kFdCloexec) | ((c.args[2] & 1) ? kFdCloexec : 0);
  }
  return ret;
}

void prepare_fcntl(Call& c) {
  auto owner = static_cast<int32_t>(c.args[2]);
  if (static_cast<int>(c.args[1]) == kSetown && owner > 0)
    c.exec[2] = static_cast<uint64_t>(int64_t{acting_id(c.t, owner)});
}

// The kernel's answers name processes by its own numbers.
long perform_fcntl(Call& c) {
  struct Owner {
    int32_t type, pid;
  };
  struct Lock {
    int16_t type, whence;
    int64_t start, length;
    int32_t pid;
  };
  constexpr int16_t kUnlocked = 2;
  Thread* t = c.t;
  const long ret = execute_by_role(c);
  if (ret < 0) return ret;
  const auto cmd = static_cast<int>(c.args[1]);
  if (cmd == kGetown) return ret > 0 ? virtual_id(t, static_cast<int32_t>(ret)) : ret;
  int32_t* named = nullptr;
  if (cmd == kGetownEx) named = &reinterpret_cast<Owner*>(c.args[2])->pid;
  auto* lock = reinterpret_cast<Lock*>(c.args[2]);
  if ((cmd == kGetlk || cmd == kOfdGetlk) && lock->type != kUnlocked) named = &lock->pid;
  if (named && *named > 0) *named = virtual_id(t, *named);
  return ret;
}

void restore_owners(Thread* t) {
  for (int fd = 0; fd <= t->proc->max_fd; fd++)
    if (fd_bits(t, fd) & kFdOwned) sys(__NR_fcntl, fd, kSetown, t->proc->real_pid);
}

long run_close_range(Call& c) {
  Thread* t = c.t;
  uint32_t first = c.args[0], last = c.args[1];
  bool mark = c.args[2] & 4;  // CLOSE_RANGE_CLOEXEC
  long ret = run_event(c);
  if (ret < 0) return ret;
  uint32_t top = static_cast<uint32_t>(t->proc->max_fd);
  for (uint32_t fd = first; fd <= last && fd <= top; fd++) {
    if (fd_reserved(fd)) continue;
    if (t->role == Role::kFollower && fd_private(t, fd)) {
      if (mark)
        sys(__NR_fcntl, fd, kSetfd, 1);
      else
        sys(__NR_close, fd);
    }
    if (mark)
      fd_bits(t, fd) |= kFdCloexec;
    else
      fd_closed(t, fd);
  }
  return ret;
}

// mx's own descriptor stays open.
long perform_close_range(Call& c) {
  uint64_t first = static_cast<uint32_t>(c.args[0]), last = static_cast<uint32_t>(c.args[1]);
  uint64_t mine = control()->settings.reserved_fd;
  if (first > last || mine < first || mine > last) return execute(c);
  long ret = 0;
  if (mine > first) ret = sys(__NR_close_range, first, mine - 1, c.args[2]);
  if (ret == 0 && mine < last) ret = sys(__NR_close_range, mine + 1, last, c.args[2]);
  return ret;
}

long run_close(Call& c) {
  int fd = static_cast<int>(c.args[0]);
  if (fd_reserved(fd)) return kEbadf;
  if (!fd_private(c.t, fd) || has_been_closed(c)) return run_event(c);
  const bool follows = c.t->role == Role::kFollower;
  if (!follows) fd_closed(c.t, fd);
  long ret = run_local(c);
  if (follows) fd_closed(c.t, fd);  // (another thread waits for that before it puts its own there)
  return ret;
}

// SCM_RIGHTS: new descriptors stand in the control data, at the leader's numbers.
void localise_recvmsg(Call& c) {
  if (c.ret < 0) return;
  auto* m = reinterpret_cast<const Msghdr*>(c.args[1]);
  struct Cmsg {
    uint64_t len;
    int32_t level, type;
  };
  for (uint64_t at = 0; m->control && at + sizeof(Cmsg) <= m->controllen;) {
    auto* h = reinterpret_cast<const Cmsg*>(m->control + at);
    if (h->len < sizeof(Cmsg) || h->len > m->controllen - at) break;
    if (h->level == 1 && h->type == 1) {
      auto* fds = reinterpret_cast<const int*>(h + 1);
      for (uint64_t k = 0; k < (h->len - sizeof(Cmsg)) / 4; k++) fd_opened(c.t, fds[k], 0);
    }
    at += stream::padded(h->len);
  }
}

long run_flock(Call& c) { return run_event(c); }

long run_memfd(Call& c) {
  constexpr uint16_t kMemory = kFdPrivate | kFdMemory | kFdRegular | kFdClassified;
  constexpr uint64_t kHuge = 4;  // MFD_HUGETLB
  if (c.args[1] & kHuge) forbid_checkpoints(c.t);
  Thread* t = c.t;
  t->proc->has_memfd = 1;
  bool cloexec = c.args[1] & 1;
  if (t->role != Role::kFollower) {
    long ret = run_event(c);
    if (ret >= 0) fd_opened(t, ret, kMemory | (cloexec ? kFdCloexec : 0));
    return ret;
  }
  long ret = run_event(c);
  if (ret < 0) return ret;
  if (!c.consumed) {
    fd_opened(t, ret, kMemory);
    return ret;
  }
  BorrowsNumber borrows(c.t);
  long own = sys(__NR_memfd_create, c.args[0], c.args[1]);
  if (!is_error(own) && c.t->proc->multi_threaded) own = aside(static_cast<int>(own));
  borrows.give_back();
  if (is_error(own)) return own;
  const long placed = place_private(t, own, ret, cloexec);
  if (!is_error(placed)) fd_bits(t, static_cast<int>(placed)) |= kFdMemory;
  return placed;
}

namespace {
struct LegacyIoctl {
  uint32_t request;
  uint16_t size;
};
// Requests that do not encode their size and write a result: ioctl_tty(2), sockios.h, fs.h.
constexpr LegacyIoctl kLegacy[] = {
    {0x5401, 36}, {0x5405, 18}, {0x5413, 8}, {0x540f, 4},  {0x541b, 4}, {0x5411, 4},  {0x5415, 4},
    {0x5429, 4},  {0x5424, 4},  {0x5419, 4}, {0x541e, 72}, {0x8905, 4}, {0x8906, 16}, {0x8907, 16},
    {0x8903, 4},  {0x8901, 4},  {0x1260, 8}, {0x125e, 4},  {0x1268, 4}, {0x127b, 4},  {0x5459, 8},
};
}  // namespace

void measure_ioctl(Call& c) {
  auto request = static_cast<uint32_t>(c.args[1]);
  if (request == kSiocEthtool) return measure_ethtool(c);
  if (request == kSiocGifconf) return measure_interfaces(c);
  c.blob = c.args[2];
  c.blob_size = 0;
  for (const LegacyIoctl& l : kLegacy)
    if (l.request == request) c.blob_size = l.size;
  if ((request >> 8) == 0x89 && request >= 0x8910 && request <= 0x89ff) {
    c.blob_size = 40;  // struct ifreq
  }
  if ((request >> 30) & 2) c.blob_size = (request >> 16) & 0x3fff;  // _IOC_READ
  if (c.blob < 4096) c.blob_size = 0;
}

long perform_ioctl(Call& c) {
  c.ret = execute_by_role(c);
  if (static_cast<uint32_t>(c.args[1]) == kSiocGifconf) finish_interfaces(c);
  return c.ret;
}

void localise_ioctl(Call& c) {
  auto request = static_cast<uint32_t>(c.args[1]);
  int fd = static_cast<int>(c.args[0]);
  if (c.ret < 0 || !valid_fd(fd)) return;
  if (request == kSiocGifconf) localise_interfaces(c);
  if (request == 0x5421) {  // FIONBIO
    bool on = c.args[2] && *reinterpret_cast<int*>(c.args[2]);
    fd_bits(c.t, fd) = (fd_bits(c.t, fd) & ~kFdNonblock) | (on ? kFdNonblock : 0);
  }
  if (request == 0x5441 && c.ret >= 0) fd_opened(c.t, c.ret, 0);  // TIOCGPTPEER
}

}  // namespace mx::agent
