// mmap of files. Private descriptors and anonymous memory are each version's own; a shared file is
// mapped by the leader, and the follower gets the descriptor from it for the moment of the call.
#include "shim/agent/align.h"
#include "shim/agent/borrowed.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/code_map.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/memory.h"
#include "shim/agent/named_file.h"
#include "shim/agent/patch.h"
#include "shim/agent/shadow.h"
#include "shim/agent/shared_locks.h"

namespace mx::agent {

namespace {

constexpr uint64_t kAnonymous = 0x20, kTypeMask = 0x0f, kPrivate = 2, kFixed = 0x10;
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

// The file of the matching event, on a descriptor of this process; or an error.
long file_to_map(Call& c, const EventHeader& h) {
  Thread* t = c.t;
  NamedFile file;
  const bool named = control()->settings.recovery && peek_named_file(t, h, file);
  if (!named) forget_checkpoint(t, stream::CheckpointRefusal::kMappedFile);
  const int fd = static_cast<int>(c.args[4]);
  if (named) return open_once_more(t, fd, file);
  return recovers(t->proc->shared)
             ? kEbadf
             : fetch_descriptor(t, fd);  // (for a version that comes back no leader waits)
}

bool may_write_to_it(const Call& c, int fd) {
  return (c.args[3] & kTypeMask) != kPrivate && shared_writable(fd);
}

long map_own_shadow(Call& c, int fd) {
  drop_unused_shadows();
  if (!has_shadow(fd)) {
    if (c.t->replays) leave_as_follower(c.t, "a file that it maps has been written to since");
    forget_checkpoint(c.t, stream::CheckpointRefusal::kMappedFile);
  }
  return map_shadow(c, fd);
}

// False: this version leads now, and has to execute the call.
bool follow_shared_map(Call& c) {
  Thread* t = c.t;
  EventHeader h;
  switch (follower_match(c, h)) {
    case Match::kTakeover:
      return false;
    case Match::kRedirected:
      c.ret = c.r->rax;
      return true;
    default:
      break;
  }
  if (is_error(h.result)) {
    follower_take(c, h);
    return true;
  }
  BorrowsNumber borrows(t);
  const long fd = file_to_map(c, h);
  long at = kEbadf;
  if (!is_error(fd)) {
    c.exec[4] = fd;
    at =
        may_write_to_it(c, static_cast<int>(fd)) ? map_own_shadow(c, static_cast<int>(fd)) : map(c);
    sys(__NR_close, fd);
  }
  borrows.give_back();
  follower_take(c, h);  // releases the leader
  wake_producer(t);
  if (is_error(at)) leave_as_follower(t, "a file the leader has mapped could not be mapped");
  c.ret = at;
  code_mapped(c, at);
  return true;
}

// A copy of this process that catches up would come to
// the mapping when others have written to the file.
void forget_if_new(Thread* t, int fd) {
  FileInfo info;
  if (look_at(fd, info) && !is_mapped_now(info.id()))
    forget_checkpoint(t, stream::CheckpointRefusal::kMappedFile);
}

void lead_shared_map(Call& c) {
  Thread* t = c.t;
  NamedFile file;
  leader_begin(c);
  const int of = static_cast<int>(c.args[4]);
  const bool writes = may_write_to_it(c, of);
  if (writes) forget_if_new(t, of);
  c.ret = map(c);
  if (writes && !note_mapped(c, of, c.ret)) forbid_checkpoints(t);
  if (control()->settings.recovery && !follower_gone(t)) {
    c.blob = reinterpret_cast<uint64_t>(&file);
    c.blob_size = name_file(static_cast<int>(c.args[4]), file);
    if (!c.blob_size) forget_checkpoint(t, stream::CheckpointRefusal::kMappedFile);
  }
  publish(c, EventKind::kCall, stream::kSync);
  lane_rendezvous(t, false);
  code_mapped(c, c.ret);
}

// What a copy of this process could not do again on its own.
void note_sharing(const Call& c) {
  bool anonymous = c.args[3] & kAnonymous, shared = (c.args[3] & kTypeMask) != kPrivate;
  if (shared && anonymous) share_memory(c.t);
  const auto fd = static_cast<int>(c.args[4]);
  const bool device = fd_private(c.t, fd) && !(fd_bits(c.t, fd) & kFdMemory);
  if (shared && !anonymous && (c.args[2] & kWrite) && device) forbid_checkpoints(c.t);
}

}  // namespace

bool shared_writable(int fd) {
  long flags = sys(__NR_fcntl, fd, 3, 0);
  return !is_error(flags) && (flags & 3) == 2;
}

long run_mmap(Call& c) {
  Thread* t = c.t;
  note_sharing(c);
  if (c.args[3] & kFixed) forget_mapping(c.t, c.args[0], c.args[1]);
  const bool own = (c.args[3] & kAnonymous) || fd_private(t, static_cast<int>(c.args[4]));
  if (own || t->role == Role::kSolo) {
    c.ret = map(c);
    code_mapped(c, c.ret);
  } else if (t->role != Role::kFollower || !follow_shared_map(c)) {
    lead_shared_map(c);
  }
  if (!is_error(c.ret) && (c.args[3] & kTypeMask) != kPrivate && (c.args[2] & kWrite))
    note_shared_memory(t, static_cast<uint64_t>(c.ret), c.args[1]);
  return c.ret;
}

// V8 leaves its heap out of new processes. A checkpoint is one, too, and needs it: where there may
// be some, a child gets copies that it does not look at.
long run_madvise(Call& c) {
  constexpr uint64_t kDontFork = 10, kNormal = 0;
  if (c.args[2] == kDontFork && control()->settings.recovery) c.exec[2] = kNormal;
  return run_local(c);
}

long run_mprotect(Call& c) {
  long ret = execute(c);
  if (ret == 0 && (c.args[2] & kWrite) && maps_files())
    note_protection(c.args[0], c.args[1], c.args[2]);
  if (ret == 0 && (c.args[2] & kExec)) note_code(c.t, c.args[0], c.args[1]);
  return ret;
}

}  // namespace mx::agent
