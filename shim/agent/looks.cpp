#include "shim/agent/looks.h"

#include "shim/agent/align.h"
#include "shim/agent/borrowed.h"
#include "shim/agent/compared.h"
#include "shim/agent/fds.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_root.h"

namespace mx::agent {

namespace {

constexpr uint64_t kAccess = 3, kCreat = 0100, kTrunc = 01000, kTmpfile = 020000000,
                   kCloexec = 02000000;
constexpr int kCwd = -100;
constexpr int kFirstExtra = 512;  // where descriptors stand that only the follower has

// Which argument of an open has the flags; -1: it is none, or they are not among the values
// (openat2).
int flags_of_open(long nr) { return nr == __NR_open ? 1 : nr == __NR_openat ? 2 : -1; }

bool opens_to_read(const Call& c) {
  const int flags = flags_of_open(c.nr);
  return flags >= 0 && read_only(c.args[flags]);
}

// What may be done to a file that is open to read, and says nothing to anybody else.
bool stays_inside(long nr) {
  switch (nr) {
    case __NR_read:
    case __NR_pread64:
    case __NR_readv:
    case __NR_preadv:
    case __NR_lseek:
    case __NR_fstat:
    case __NR_close:
    case __NR_fadvise64:
    case __NR_readahead:
    case __NR_getdents64:
    case __NR_fstatfs:
    case __NR_mmap:
      return true;
    default:
      return false;
  }
}

bool on_the_way(const OnTheWay& way, int fd) {
  for (int i = 0; i < way.count; i++)
    if (way.fds[i] == fd) return true;
  return false;
}

void note_on_the_way(OnTheWay& way, int64_t fd) {
  if (fd >= 0 && way.count < static_cast<int>(sizeof way.fds / sizeof way.fds[0]))
    way.fds[way.count++] = static_cast<int>(fd);
}

// The folder that a relative name starts from is here, too.
bool starts_here(const Call& c) {
  const auto* path = reinterpret_cast<const char*>(c.args[c.d->path_arg]);
  const int folder = folder_of(c, c.d->path_arg);
  return path[0] == '/' || folder == kCwd || fd_private(c.t, folder);
}

// A fifo or a device would notice: of those only /dev/null, /dev/urandom and the like (mem(4):
// major 1).
bool nobody_notices(const Call& c) {
  uint64_t st[18];
  if (is_error(sys(__NR_newfstatat, folder_of(c, c.d->path_arg), c.args[c.d->path_arg], st, 0)))
    return true;
  const uint32_t type = st[3] & 0170000;
  constexpr uint32_t kFile = 0100000, kFolder = 0040000, kDevice = 0020000;
  return type == kFile || type == kFolder || (type == kDevice && st[5] >> 8 == 1);
}

}  // namespace

bool read_only(uint64_t flags) {
  return (flags & kAccess) == 0 && !(flags & (kCreat | kTrunc)) && (flags & kTmpfile) != kTmpfile;
}

bool looks_only(const Call& c) {
  if (opens_to_read(c)) return true;
  const auto fd = c.d->fd_arg < 0 ? -1 : static_cast<int>(c.args[c.d->fd_arg]);
  return fd >= 0 && stays_inside(c.nr) && never_blocks(c.t, fd) && is_regular(c.t, fd);
}

Look look_of(const Call& c) {
  Look look = {};
  if (c.d->path_arg < 0) return look;
  const bool by_name = c.d->treatment == sys::Treatment::kFile && harmless(*c.d);
  if (!by_name && !opens_to_read(c)) return look;
  look.is_one = guarded([&] {
                  look.digest = digest_inputs(c);
                  look.is_one = starts_here(c);
                }) &&
                look.is_one;
  return look;
}

bool is_leaders_look(Thread* t, uint64_t offset, const EventHeader& h, OnTheWay& way) {
  if (h.kind != EventKind::kCall && h.kind != EventKind::kIntent) return false;
  const int flags = flags_of_open(h.nr);
  const sys::Desc& d = sys::describe(h.nr);
  Compared leader;
  if (flags < 0 && (d.fd_arg < 0 || !stays_inside(h.nr))) return false;
  if (h.flags & stream::kRegular && h.nr != __NR_close && h.nr != __NR_mmap) return true;
  if (!peek_compared(t, offset + sizeof h, h.nr, leader)) return false;
  if (flags >= 0) {
    if (!read_only(leader.values[flags])) return false;
    if (h.kind == EventKind::kCall) note_on_the_way(way, h.result);
    return true;
  }
  const auto fd = static_cast<int>(leader.values[d.fd_arg]);
  return fd_leader_only(t, fd) || on_the_way(way, fd);
}

void skip_leaders_look(Thread* t, const EventHeader& h) {
  if (h.kind != EventKind::kCall) return;
  if (flags_of_open(h.nr) >= 0 && h.result >= 0)
    fd_opened(t, static_cast<int>(h.result), kFdLeaderOnly);
  Compared leader;
  if (h.nr == __NR_close && peek_compared(t, sizeof h, h.nr, leader))
    fd_closed(t, static_cast<int>(leader.values[0]));
}

bool may_look_alone(const Call& c, const Look& look) {
  return look.is_one && (!opens_to_read(c) || nobody_notices(c));
}

long open_alone(Call& c) {
  const BorrowsNumber borrows(c.t);
  const long own = execute_plain(c);
  if (is_error(own)) return own;
  return keep_apart(c.t, static_cast<int>(own), c.args[flags_of_open(c.nr)] & kCloexec);
}

long keep_apart(Thread* t, int own, bool cloexec) {
  const long high = sys(__NR_fcntl, own, cloexec ? kDupfdCloexec : 0, kFirstExtra);
  sys(__NR_close, own);
  if (!is_error(high))
    fd_opened(t, static_cast<int>(high), kFdPrivate | (cloexec ? kFdCloexec : 0));
  return high;
}

}  // namespace mx::agent
