// mmap of files. Private descriptors and anonymous memory are each version's own; a shared file is
// mapped by the leader, and the follower gets the descriptor from it for the moment of the call.
#include "shim/agent/align.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/code_map.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/patch.h"
#include "shim/agent/shadow.h"

namespace mx::agent {

namespace {

constexpr uint64_t kAnonymous = 0x20, kTypeMask = 0x0f, kPrivate = 2;
constexpr uint64_t kExec = 4, kWrite = 2;

long map(const Call& c) {
  return raw6(__NR_mmap, c.exec[0], c.exec[1], c.exec[2], c.exec[3], c.exec[4], c.exec[5]);
}

void code_mapped(Call& c, long address) {
  if (is_error(address) || !(c.args[2] & kExec)) return;
  note_code(c.t, address, c.args[1]);
  if (c.t->proc->multi_threaded || (c.args[3] & kAnonymous)) return;  // is hooked, or is no library
  if (is_random_library(static_cast<int>(c.exec[4]))) hook_at_once(c.t, address);
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
    at = writable_share ? map_shadow(c, fd) : map(c);
    sys(__NR_close, fd);
  }
  follower_take(c, h);  // releases the leader
  wake_producer(t);
  if (is_error(at)) leave_as_follower(t, "a file the leader has mapped could not be mapped");
  code_mapped(c, at);
  return at;
}

// What a copy of this process could not do again on its own.
void note_sharing(const Call& c) {
  bool anonymous = c.args[3] & kAnonymous, shared = (c.args[3] & kTypeMask) != kPrivate;
  if (shared && anonymous)
    share_memory(c.t);
  else if (shared && (c.args[2] & kWrite))
    forbid_checkpoints(c.t);
  else if (!anonymous && !fd_private(c.t, static_cast<int>(c.args[4])))
    forget_checkpoint(c.t, stream::CheckpointRefusal::kMappedFile);
}

}  // namespace

bool shared_writable(int fd) {
  long flags = sys(__NR_fcntl, fd, 3, 0);
  return !is_error(flags) && (flags & 3) == 2;
}

long run_mmap(Call& c) {
  Thread* t = c.t;
  note_sharing(c);
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

}  // namespace mx::agent
