// mmap of files. Private descriptors and anonymous memory are each version's own; a shared file is
// mapped by the leader, and the follower gets the descriptor from it for the moment of the call.
#include "shim/agent/align.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/patch.h"

namespace mx::agent {

namespace {

constexpr uint64_t kAnonymous = 0x20, kFixed = 0x10, kTypeMask = 0x0f, kPrivate = 2;
constexpr uint64_t kWrite = 2, kExec = 4;

struct SharedMapping {
  uint64_t address, length, prot, offset;
  int fd;  ///< this version's own copy of the descriptor
};
SharedMapping shared_mappings[64];

long map(const Call& c) {
  return raw6(__NR_mmap, c.exec[0], c.exec[1], c.exec[2], c.exec[3], c.exec[4], c.exec[5]);
}

void code_mapped(Call& c, long address) {
  if (!is_error(address) && (c.args[2] & kExec)) note_code(c.t, address, c.args[1]);
}

// The follower's copy of a writable shared mapping: same contents, its own pages.
long copy_mapping(Call& c, int fd) {
  long at = raw6(__NR_mmap, c.args[0], c.args[1], c.args[2] | kWrite, 0x21 | (c.args[3] & kFixed), -1, 0);
  if (is_error(at)) return at;
  uint64_t done = 0;
  while (done < c.args[1]) {
    long n = sys(__NR_pread64, fd, at + done, c.args[1] - done, c.args[5] + done);
    if (n <= 0) break;
    done += n;
  }
  if (!(c.args[2] & kWrite)) sys(__NR_mprotect, at, c.args[1], c.args[2]);
  for (SharedMapping& m : shared_mappings) {
    if (m.length) continue;
    long kept = sys(__NR_fcntl, fd, 1030, 900);
    m = {static_cast<uint64_t>(at), c.args[1], c.args[2], c.args[5], static_cast<int>(kept)};
    break;
  }
  return at;
}

long follow_shared_map(Call& c) {
  Thread* t = c.t;
  EventHeader h;
  switch (follower_match(c, h)) {
    case Match::kTakeover:
      return map(c);
    case Match::kRedirected:
      return c.r->rax;
    default:
      break;
  }
  if (is_error(h.result)) {
    follower_take(c, h);
    return c.ret;
  }
  int fd = fetch_descriptor(t, static_cast<int>(c.args[4]));
  long at = kEbadf;
  if (fd >= 0) {
    bool writable_share = (c.args[3] & kTypeMask) != kPrivate && shared_writable(fd);
    c.exec[4] = fd;
    at = writable_share ? copy_mapping(c, fd) : map(c);
    sys(__NR_close, fd);
  }
  follower_take(c, h);  // releases the leader
  wake_producer(t);
  if (is_error(at)) leave_as_follower(t, "a file the leader has mapped could not be mapped");
  code_mapped(c, at);
  return at;
}

}  // namespace

bool shared_writable(int fd) {
  long flags = sys(__NR_fcntl, fd, 3, 0);
  return !is_error(flags) && (flags & 3) == 2;
}

long run_mmap(Call& c) {
  Thread* t = c.t;
  if ((c.args[3] & kAnonymous) || fd_private(t, static_cast<int>(c.args[4])) ||
      t->role == Role::kSolo) {
    long at = map(c);
    code_mapped(c, at);
    return at;
  }
  if (t->role == Role::kFollower) return follow_shared_map(c);
  leader_begin(c);
  c.ret = map(c);
  publish(c, EventKind::kCall, stream::kSync);
  lane_rendezvous(t, false);
  code_mapped(c, c.ret);
  return c.ret;
}

long run_mprotect(Call& c) {
  long ret = execute(c);
  if (ret == 0 && (c.args[2] & kExec)) note_code(c.t, c.args[0], c.args[1]);
  return ret;
}

void remap_shared(Thread*) {
  for (SharedMapping& m : shared_mappings) {
    if (!m.length) continue;
    if (m.fd >= 0) {
      uint64_t done = 0;
      while (done < m.length) {
        long n = sys(__NR_pwrite64, m.fd, m.address + done, m.length - done, m.offset + done);
        if (n <= 0) break;
        done += n;
      }
      raw6(__NR_mmap, m.address, m.length, m.prot, 0x11, m.fd, m.offset);
      sys(__NR_close, m.fd);
    }
    m.length = 0;
  }
}

}  // namespace mx::agent
