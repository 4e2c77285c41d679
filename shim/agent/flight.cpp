#include "shim/agent/flight.h"

#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_words.h"
#include "shim/agent/remainder.h"

namespace mx::agent {

using stream::Flight;
using stream::FlightPhase;
using stream::kNoMessage;
using stream::kStageBytes;
using stream::StageShape;
using stream::Staging;

namespace {

constexpr uint64_t kPeek = 2, kDontwait = 0x40, kNosignal = 0x4000;
constexpr uint64_t kMaxPieces = 64, kMaxMessages = 64;
constexpr uint64_t kMaxName = 128, kMaxControl = 2560;

// Staging::vector when one message is received.
struct Received {
  Mmsghdr message;
  Iovec piece;
  uint8_t name[kMaxName];
  uint8_t control[kMaxControl];
};
static_assert(sizeof(Received) <= sizeof(Staging::vector));

// Staging::vector when messages are sent.
struct Sent {
  Mmsghdr message[kMaxMessages - 1];
  Iovec piece;
};
static_assert(sizeof(Sent) <= sizeof(Staging::vector));

// Where the program wants what is received.
struct Target {
  Iovec piece[kMaxPieces];
  uint64_t pieces;
  uint64_t total;
};

Staging& stage_of(const Call& c) { return *staging(c.t->lane_index); }
Received& received(const Call& c) { return *reinterpret_cast<Received*>(stage_of(c).vector); }
Sent& sent(const Call& c) { return *reinterpret_cast<Sent*>(stage_of(c).vector); }

void set_shape(Call& c, StageShape s, uint32_t messages = 0) {
  c.t->lane->flight.messages = messages;
  c.t->lane->flight.shape.store(static_cast<uint32_t>(s), std::memory_order_release);
}

bool load_pieces(uint64_t iov, uint64_t n, Target& to) {
  if (n > kMaxPieces || !copy_guarded(to.piece, reinterpret_cast<void*>(iov), n * sizeof(Iovec)))
    return false;
  to.pieces = n;
  to.total = 0;
  for (uint64_t k = 0; k < n; k++) {
    if (to.piece[k].len > (1u << 30)) return false;
    to.total += to.piece[k].len;
  }
  return true;
}

// False: the call's arguments are not ones that can be staged; the kernel shall judge them.
bool find_target(const Call& c, Target& to) {
  switch (c.nr) {
    case __NR_read:
    case __NR_recvfrom:
      to.piece[0] = {c.args[1], c.args[2]};
      to.pieces = 1;
      to.total = c.args[2];
      return to.total <= (1u << 30);
    case __NR_readv:
      return load_pieces(c.args[1], c.args[2], to);
    case __NR_recvmsg: {
      Msghdr m;
      return copy_guarded(&m, reinterpret_cast<void*>(c.args[1]), sizeof m) &&
             load_pieces(m.iov, m.iovlen, to);
    }
    default:
      return false;
  }
}

// A bad buffer must answer EFAULT before anything is consumed; its first byte stands for it.
bool target_writable(const Target& to) {
  for (uint64_t k = 0; k < to.pieces; k++) {
    auto* p = reinterpret_cast<void*>(to.piece[k].base);
    if (to.piece[k].len && !copy_guarded(p, p, 1)) return false;
  }
  return true;
}

// What is larger than the staging area may be received in parts, unless it is one packet.
bool may_split(int fd) {
  int type = 0, size = sizeof type;
  if (sys(__NR_getsockopt, fd, 1 /*SOL_SOCKET*/, 3 /*SO_TYPE*/, &type, &size) == 0)
    return type == 1;
  uint32_t st[36];
  return !is_error(sys(__NR_fstat, fd, st)) && (st[6] & 0170000) == 0010000;
}

bool fits(const Call& c, Target& to) {
  if (to.total > kStageBytes) {
    if (!may_split(static_cast<int>(c.args[0]))) return false;
    to.total = kStageBytes;
  }
  return to.total > 0 && target_writable(to);
}

bool scatter(const Target& to, const uint8_t* from, uint64_t n) {
  for (uint64_t k = 0; k < to.pieces && n; k++) {
    uint64_t part = to.piece[k].len < n ? to.piece[k].len : n;
    if (!copy_guarded(reinterpret_cast<void*>(to.piece[k].base), from, part)) return false;
    from += part;
    n -= part;
  }
  return true;
}

// read, and what is the same as read.
long read_staged(Call& c, const Target& to) {
  Staging& s = stage_of(c);
  uint64_t untouched = stream::kUntouched;
  memcpy(s.data, &untouched, sizeof untouched);
  c.t->lane->flight.count = to.total;
  set_shape(c, StageShape::kBytes);
  const uint64_t args[6] = {c.exec[0], reinterpret_cast<uint64_t>(s.data), to.total, 0, 0, 0};
  long ret = enter_kernel(c, __NR_read, args);
  end_flight(c.t, ret);
  if (ret > 0 && !scatter(to, s.data, ret)) return kEfault;
  return ret;
}

bool is_regular(const Call& c) {
  auto fd = static_cast<int>(c.args[0]);
  never_blocks(c.t, fd);
  return !valid_fd(fd) || is_regular(c.t, fd);
}

// What several threads read and write at a moment is one count of the kernel's, when they are
// killed. Of a message it tells each one's length.
bool counts_alone(const Call& c) {
  const auto fd = static_cast<int64_t>(c.args[0]);
  if (c.t->proc->shared->threads.load(std::memory_order_relaxed) <= 1 || !valid_fd(fd)) return true;
  never_blocks(c.t, static_cast<int>(fd));
  return !(fd_bits(c.t, static_cast<int>(fd)) & kFdSocket);
}

long receive_staged(Call& c, const Target& to, uint64_t flags) {
  Received& r = received(c);
  Msghdr want{};
  if (c.nr != __NR_recvmsg) {
    const bool named = c.nr == __NR_recvfrom && c.args[4];
    uint32_t size = 0;
    if (named && c.args[5]) copy_guarded(&size, reinterpret_cast<void*>(c.args[5]), 4);
    want.name = named ? c.args[4] : 0;
    want.namelen = size;
  } else if (!copy_guarded(&want, reinterpret_cast<void*>(c.args[1]), sizeof want)) {
    return execute(c);
  }
  if (want.controllen > kMaxControl || static_cast<int32_t>(want.namelen) < 0) return execute(c);
  r.piece = {reinterpret_cast<uint64_t>(stage_of(c).data), to.total};
  r.message.hdr = {};
  r.message.hdr.iov = reinterpret_cast<uint64_t>(&r.piece);
  r.message.hdr.iovlen = 1;
  if (want.name) {
    r.message.hdr.name = reinterpret_cast<uint64_t>(r.name);
    r.message.hdr.namelen = want.namelen < kMaxName ? want.namelen : kMaxName;
  }
  if (want.control) {
    r.message.hdr.control = reinterpret_cast<uint64_t>(r.control);
    r.message.hdr.controllen = want.controllen;
  }
  r.message.len = kNoMessage;
  set_shape(c, StageShape::kReceived, 1);
  const uint64_t args[6] = {c.exec[0], reinterpret_cast<uint64_t>(&r.message), 1, flags, 0, 0};
  long ret = enter_kernel(c, __NR_recvmmsg, args);
  end_flight(c.t, ret);
  return ret == 1 ? deliver_message(c) : ret;
}

long send_staged(Call& c, uint32_t messages, uint64_t flags) {
  Sent& s = sent(c);
  for (;;) {
    if (c.done && !leave_out(c, s.message[0].hdr)) return static_cast<long>(c.done);
    for (uint32_t k = 0; k < messages; k++) s.message[k].len = kNoMessage;
    set_shape(c, StageShape::kSent, messages);
    const uint64_t args[6] = {c.exec[0], reinterpret_cast<uint64_t>(s.message), messages, flags, 0,
                              0};
    long ret = enter_kernel(c, __NR_sendmmsg, args);
    if (ret > 0) ret = deliver_sent(c);
    if (ret <= 0 || !goes_on(c, ret)) return with_done(c, ret);
    s.message[0].len = kNoMessage;
    park_if_failing(c.t);
  }
}

long run_send(Call& c) {
  Sent& s = sent(c);
  if (c.nr == __NR_sendmmsg) {
    uint64_t n = static_cast<uint32_t>(c.args[2]);
    if (n > kMaxMessages - 1) n = kMaxMessages - 1;
    if (!n || !copy_guarded(s.message, reinterpret_cast<void*>(c.args[1]), n * sizeof(Mmsghdr)))
      return execute(c);
    return send_staged(c, static_cast<uint32_t>(n), c.args[3]);
  }
  Msghdr& m = s.message[0].hdr;
  if (c.nr == __NR_sendmsg) {
    if (!copy_guarded(&m, reinterpret_cast<void*>(c.args[1]), sizeof m)) return execute(c);
    m.flags = 0;
    return send_staged(c, 1, c.args[2]);
  }
  m = {};
  s.piece = {c.args[1], c.args[2]};
  m.iov = reinterpret_cast<uint64_t>(&s.piece);
  m.iovlen = 1;
  if (c.nr == __NR_writev) {
    m.iov = c.args[1];
    m.iovlen = c.args[2];
  }
  if (c.nr != __NR_sendto) return send_staged(c, 1, 0);
  m.name = c.args[4];
  m.namelen = c.args[4] ? static_cast<uint32_t>(c.args[5]) : 0;
  return send_staged(c, 1, c.args[3]);
}

long run_receive(Call& c) {
  bool from = c.nr == __NR_recvfrom;
  uint64_t flags = static_cast<uint32_t>(c.args[from ? 3 : 2]);
  Target to;
  if ((flags & kPeek) || !find_target(c, to)) return execute(c);
  bool plain = (flags & ~kNosignal) == 0 && to.total > 0;
  if (from) {
    plain = plain && !c.args[4];
  } else {
    auto* m = reinterpret_cast<const Msghdr*>(c.args[1]);  // find_target has read it
    plain = plain && !m->name && !m->control;
  }
  if (to.total > kStageBytes && (flags & ~(kNosignal | kDontwait))) return execute(c);
  if (!fits(c, to)) return execute(c);
  if (!plain || !from || !counts_alone(c)) return receive_staged(c, to, flags);
  return read_staged(c, to);
}

// write and writev. (Of no bytes, or of more pieces than it takes, the kernel says another thing
// about a message.)
long run_write(Call& c) {
  constexpr uint64_t kMostPieces = 1024;
  const bool odd = !c.args[2] || (c.nr == __NR_writev && c.args[2] > kMostPieces);
  return odd || counts_alone(c) ? execute(c) : run_send(c);
}

// What the leader has to see before a call that cannot be repeated to the same effect.
int path_to_note(long nr, int& dir) {
  dir = -1;
  switch (nr) {
    case __NR_unlink:
    case __NR_rmdir:
    case __NR_rename:
    case __NR_mkdir:
    case __NR_mknod:
    case __NR_open:
      return 0;
    case __NR_link:
    case __NR_symlink:
      return 1;
    case __NR_unlinkat:
    case __NR_renameat:
    case __NR_renameat2:
    case __NR_mkdirat:
    case __NR_mknodat:
    case __NR_openat:
      dir = 0;
      return 1;
    case __NR_symlinkat:
      dir = 1;
      return 2;
    case __NR_linkat:
      dir = 2;
      return 3;
    default:
      return -1;
  }
}

uint64_t inode_of(const Call& c, int path, int dir) {
  uint64_t st[18];
  long fd = dir < 0 ? -100 /*AT_FDCWD*/ : static_cast<int>(c.args[dir]);
  return is_error(sys(__NR_newfstatat, fd, c.args[path], st, 0x100 /*AT_SYMLINK_NOFOLLOW*/))
             ? 0
             : st[1];
}

}  // namespace

uint64_t identity_of(int fd) {
  uint64_t st[18];
  return is_error(sys(__NR_fstat, fd, st)) ? 0 : st[1] ^ st[0] << 40;
}

namespace {

uint64_t sight_before(const Call& c) {
  constexpr uint64_t kExclusive = 0200;
  long nr = c.nr;
  if (nr == __NR_close)
    return c.t->proc->multi_threaded ? identity_of(static_cast<int>(c.args[0])) : 0;
  if (nr == __NR_lseek || nr == __NR_getdents || nr == __NR_getdents64) {
    if (nr == __NR_lseek && (c.args[2] != 1 || !c.args[1])) return 0;
    long at = sys(__NR_lseek, c.args[0], 0, 1 /*SEEK_CUR*/);
    return at < 0 ? 0 : static_cast<uint64_t>(at);
  }
  if (nr == __NR_open && !(c.args[1] & kExclusive)) return 0;
  if (nr == __NR_openat && !(c.args[2] & kExclusive)) return 0;
  int dir, path = path_to_note(nr, dir);
  return path < 0 ? 0 : inode_of(c, path, dir);
}

}  // namespace

void begin_flight(Call& c) {
  Lane* l = c.t->lane;
  Flight& f = l->flight;
  f.phase.store(0, std::memory_order_relaxed);
  f.nr = static_cast<uint32_t>(c.nr);
  f.head = c.t->pos;
  f.fd = c.d->fd_arg < 0 ? -1 : static_cast<int64_t>(c.args[c.d->fd_arg]);
  f.io[0] = l->io[0];
  f.io[1] = l->io[1];
  f.count = c.args[2];
  f.carried = c.done;
  f.child = 0;
  f.ticket = c.t->ticket;
  f.shape.store(0, std::memory_order_relaxed);
  if (c.d->path_arg >= 0 || c.nr == __NR_lseek || c.nr == __NR_close || c.d->nr == __NR_getdents ||
      c.d->nr == __NR_getdents64)
    f.note = sight_before(c);
  stage_own_words(c);
  f.phase.store(static_cast<uint32_t>(FlightPhase::kBegun), std::memory_order_release);
}

long execute_staged(Call& c) {
  switch (c.nr) {
    case __NR_read:
    case __NR_readv: {
      Target to;
      if (is_regular(c) || !find_target(c, to) || !fits(c, to)) return execute(c);
      return counts_alone(c) ? read_staged(c, to) : receive_staged(c, to, 0);
    }
    case __NR_recvfrom:
    case __NR_recvmsg:
      return run_receive(c);
    case __NR_sendto:
    case __NR_sendmsg:
    case __NR_sendmmsg:
      return run_send(c);
    case __NR_write:
    case __NR_writev:
      return run_write(c);
    default:
      return execute(c);
  }
}

bool deliver_bytes(const Call& c, uint64_t n) {
  Target to;
  return find_target(c, to) && scatter(to, stage_of(c).data, n);
}

long deliver_message(const Call& c) {
  const Received& r = received(c);
  const Msghdr& got = r.message.hdr;
  Target to;
  if (!find_target(c, to)) return kEfault;
  uint64_t n = r.message.len < kStageBytes ? r.message.len : kStageBytes;
  if (!scatter(to, stage_of(c).data, n)) return kEfault;
  uint64_t name = 0, name_room = 0;
  Msghdr* out = nullptr;
  if (c.nr == __NR_recvfrom) {
    uint32_t room = 0;
    name = c.args[4];
    if (name && copy_guarded(&room, reinterpret_cast<void*>(c.args[5]), 4)) name_room = room;
    if (name && !copy_guarded(reinterpret_cast<void*>(c.args[5]), &got.namelen, 4)) return kEfault;
  } else if (c.nr == __NR_recvmsg) {
    out = reinterpret_cast<Msghdr*>(c.args[1]);
    name = out->name;
    name_room = out->namelen;
    out->namelen = name ? got.namelen : out->namelen;
    out->controllen = got.controllen;
    out->flags = got.flags;
    if (got.controllen > kMaxControl ||
        !copy_guarded(reinterpret_cast<void*>(out->control), r.control, got.controllen))
      return kEfault;
  }
  uint64_t size = got.namelen < kMaxName ? got.namelen : kMaxName;
  if (size > name_room) size = name_room;
  if (name && !copy_guarded(reinterpret_cast<void*>(name), r.name, size)) return kEfault;
  return static_cast<long>(r.message.len);
}

long deliver_sent(const Call& c) {
  const Sent& s = sent(c);
  uint32_t n = 0, limit = c.t->lane->flight.messages;
  while (n < limit && n < kMaxMessages - 1 && s.message[n].len != kNoMessage) n++;
  if (c.nr != __NR_sendmmsg) return n ? static_cast<long>(s.message[0].len) : 0;
  auto* out = reinterpret_cast<Mmsghdr*>(c.args[1]);
  for (uint32_t k = 0; k < n; k++)
    if (!copy_guarded(&out[k].len, &s.message[k].len, 4)) return kEfault;
  return n;
}

bool has_sent(const Call& c) {
  return c.t->lane->flight.messages && sent(c).message[0].len != kNoMessage;
}

void stage_events(Call& c) {
  auto room = static_cast<int32_t>(c.args[2]);
  if (c.t->role != Role::kLeader || room <= 0) return;
  if (room > static_cast<int32_t>(stream::kStageEvents)) c.exec[2] = stream::kStageEvents;
  c.exec[1] = reinterpret_cast<uint64_t>(stage_of(c).events);
  set_shape(c, StageShape::kEvents);
}

long unstage_events(Call& c, long n) {
  if (c.exec[1] == c.args[1]) return n;
  end_flight(c.t, n);
  if (n <= 0) return n;
  uint64_t size = static_cast<uint64_t>(n) * sizeof(EpollEvent);
  bool good = copy_guarded(reinterpret_cast<void*>(c.args[1]), stage_of(c).events, size);
  memset(stage_of(c).events, 0, size);
  return good ? n : kEfault;
}

void clear_staging(uint32_t lane) {
  Staging* s = staging(lane);
  auto* e = reinterpret_cast<EpollEvent*>(s->events);
  for (uint64_t k = 0; k < stream::kStageEvents && e[k].events; k++) e[k] = {};
}

long execute_by_role(Call& c) {
  return c.t->role == Role::kLeader ? execute_staged(c) : execute(c);
}

}  // namespace mx::agent
