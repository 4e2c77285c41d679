#include "shim/agent/files.h"

#include "shim/agent/align.h"
#include "shim/agent/borrowed.h"
#include "shim/agent/children.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/flight.h"
#include "shim/agent/looks.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/own_root.h"
#include "shim/agent/paths.h"
#include "shim/agent/report.h"
#include "shim/agent/settle.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint64_t kCreat = 0100, kExclusive = 0200, kTrunc = 01000, kCloexec = 02000000;

bool under(const char* path, const char* folder) {
  size_t n = string_length(folder, 512);
  if (!n) return false;
  if (!starts_with(path, folder)) return false;
  return path[n] == 0 || path[n] == '/' || folder[n - 1] == '/';
}

// /proc/self/maps and the like describe a version's own memory. smaps and smaps_rollup are read for
// their figures (redis sends them on): those are the leader's.
bool own_proc_file(const char* p, int32_t vpid) {
  if (!starts_with(p, "/proc/")) return false;
  p += 6;
  if (starts_with(p, "self/")) {
    p += 5;
  } else if (starts_with(p, "thread-self/")) {
    p += 12;
  } else {
    int32_t pid = 0;
    while (*p >= '0' && *p <= '9') pid = pid * 10 + (*p++ - '0');
    if (pid != vpid || *p++ != '/') return false;
  }
  if (starts_with(p, "task/")) {
    p += 5;
    while (*p && *p != '/') p++;
    if (*p) p++;
  }
  static constexpr const char* kOwn[] = {"maps", "exe", "auxv", "mem", "pagemap", "numa_maps"};
  for (const char* name : kOwn)
    if (string_equal(p, name)) return true;
  return false;
}

bool image_path(const char* p, const LocalProcess& proc) {
  static constexpr const char* kImage[] = {
      "/usr", "/lib",  "/lib64",           "/lib32",
      "/bin", "/sbin", "/etc/ld.so.cache", "/etc/ld.so.preload"};
  if (own_proc_file(p, proc.vpid)) return true;
  for (const char* folder : kImage)
    if (under(p, folder)) return !under(p, "/usr/local") || under(p, "/usr/local/lib");
  const auto& s = control()->settings;
  return string_equal(p, s.canonical_program) ||
         string_equal(p, s.program[static_cast<int>(proc.version)]);
}

std::atomic<uint64_t>& written_slot(uint64_t d) { return control()->written_paths[d % 256]; }

bool was_written(const char* p) {
  uint64_t d = digest(1, p, string_length(p, 1024)) | 1;
  return written_slot(d).load(std::memory_order_relaxed) == d;
}

bool own_image(const char* raw, const LocalProcess& proc) {
  Path p;
  if (!normalise(raw, p) || !image_path(p.text, proc)) return false;
  return !was_written(p.text);
}

bool path_readable(uint64_t address) {
  return address >= stream::kPage && string_readable(address, 4096);
}

struct OpenRequest {
  int path_arg;
  int dirfd_arg;  // -1: none
  uint64_t flags;
};

OpenRequest describe_open(const Call& c) {
  switch (c.nr) {
    case __NR_open:
      return {0, -1, c.args[1]};
    case __NR_creat:
      return {0, -1, 1 | kCreat | kTrunc};
    case __NR_openat:
      return {1, 0, c.args[2]};
    default: {
      uint64_t flags = 0;
      if (c.args[2] && readable(reinterpret_cast<void*>(c.args[2]), 8))
        flags = *reinterpret_cast<uint64_t*>(c.args[2]);
      return {1, 0, flags};
    }
  }
}

void note_written(const Call& c, int path_arg) {
  if (!path_readable(c.args[path_arg])) return;
  Path p;
  if (!normalise(reinterpret_cast<const char*>(c.args[path_arg]), p)) return;
  if (!image_path(p.text, *c.t->proc)) return;
  uint64_t d = digest(1, p.text, string_length(p.text, 1024)) | 1;
  written_slot(d).store(d);
}

void localise_open(Call& c, uint64_t flags) {
  if (c.ret < 0) return;
  uint16_t bits = ((flags & kCloexec) ? kFdCloexec : 0) | ((flags & 04000) ? kFdNonblock : 0);
  fd_opened(c.t, c.ret, bits);
}

// The name as both versions know it: the program itself is known by the leader's path.
void use_own_program(Call& c, int path_arg) {
  const auto& s = control()->settings;
  auto* path = reinterpret_cast<const char*>(c.args[path_arg]);
  if (s.canonical_program[0] && string_equal(path, s.canonical_program))
    c.exec[path_arg] = reinterpret_cast<uint64_t>(s.program[static_cast<int>(c.t->proc->version)]);
}

enum class PrivateMatch : uint8_t { kFound, kNone, kTakeover };

// Finds the leader's kPrivateOpen of the same path in sight; skips to it. `own` is this version's
// descriptor: closed before a take-over, for the leader may have its number.
PrivateMatch match_private_open(Call& c, uint64_t want, int own, EventHeader& h) {
  Thread* t = c.t;
  for (;;) {
    Wait w = lane_wait(t, sizeof h);
    if (w == Wait::kDropped) end_follower(t);
    if (w == Wait::kLeaderGone) {
      sys(__NR_close, own);
      take_over(t);
      return PrivateMatch::kTakeover;
    }
    uint64_t offset = 0;
    bool found = false;
    OnTheWay way = {};
    for (int k = 0; k < 32 && !found; k++) {
      if (!lane_more(t, offset + sizeof h)) break;
      lane_peek(t, offset, &h, sizeof h);
      if (!may_pass(t, offset, h, way)) break;
      if (h.kind == EventKind::kPrivateOpen && h.digest == want)
        found = true;
      else
        offset += sizeof h + stream::padded(h.size);
    }
    if (!found) return PrivateMatch::kNone;
    uint64_t target = t->pos + offset;
    while (t->pos < target) {
      EventHeader skipped;
      lane_peek(t, 0, &skipped, sizeof skipped);
      skip_event(t, skipped);
    }
    return PrivateMatch::kFound;
  }
}

// A new name (O_EXCL, mkdir): programs make them up from addresses and the like (glibc's mkstemp),
// so the versions' proposals differ in the last part. The file has the leader's: the follower's
// program, which goes on to use its own buffer, finds the leader's name there.
constexpr uint64_t kLongestName = 512;

void adopt_name(Call& c, int path_arg, const char* leader) {
  auto* own = reinterpret_cast<char*>(c.args[path_arg]);
  size_t n = string_length(leader, kLongestName - 1);
  if (string_equal(own, leader)) return;
  size_t folder = n;
  while (folder && leader[folder - 1] != '/') folder--;
  bool alike = string_length(own, kLongestName) == n && memcmp(own, leader, folder) == 0;
  if (alike && writable(own, n))
    memcpy(own, leader, n);
  else
    report_name_divergence(c, leader, own);
}

long run_new_name(Call& c, int path_arg) {
  char leader[kLongestName];
  uint64_t path = c.args[path_arg];
  if (!path_readable(path)) return run_event(c);
  bool follows = c.t->role == Role::kFollower;
  uint64_t size = string_length(reinterpret_cast<const char*>(path), kLongestName) + 1;
  if (size > kLongestName) return run_event(c);
  leader[0] = 0;
  c.names_new = true;
  c.blob = follows ? reinterpret_cast<uint64_t>(leader) : path;
  c.blob_size = follows ? kLongestName : size;
  long ret = run_event(c);
  leader[kLongestName - 1] = 0;
  if (follows && c.consumed && ret >= 0 && leader[0]) adopt_name(c, c.d->path_arg, leader);
  return ret;
}

uint64_t path_digest(const Call& c, int path_arg) {
  auto* s = reinterpret_cast<const char*>(c.args[path_arg]);
  return digest(2, s, string_length(s, 4096)) | 1;
}

// In a follower it waits under a number that is no other thread's.
long open_own(Call& c) {
  const bool follows = c.t->role == Role::kFollower && c.t->proc->multi_threaded;
  BorrowsNumber borrows(c.t);
  const long own = execute_plain(c);
  return is_error(own) || !follows ? own : aside(static_cast<int>(own));
}

long open_private(Call& c, const OpenRequest& req) {
  Thread* t = c.t;
  use_own_program(c, req.path_arg);
  if (t->inherits) close_untold(c);
  const long own = open_own(c);
  if (is_error(own)) return own;
  bool cloexec = req.flags & kCloexec;
  uint64_t d = path_digest(c, req.path_arg);
  if (t->role != Role::kFollower) {
    fd_opened(t, own, kFdPrivate | kFdClassified | kFdRegular | (cloexec ? kFdCloexec : 0));
    if (t->role == Role::kLeader) {
      EventHeader h{0, static_cast<uint16_t>(c.nr), EventKind::kPrivateOpen, 0, own, 0, d};
      take_order(t, h);  // another thread's file may have the number next
      if (lane_begin(t, sizeof h) && lane_put(t, &h, sizeof h)) lane_commit(t);
    }
    return own;
  }
  EventHeader h;
  PrivateMatch match = match_private_open(c, d, static_cast<int>(own), h);
  if (match == PrivateMatch::kTakeover) return open_private(c, req);
  if (match == PrivateMatch::kFound) {
    await_turn(t, h);
    lane_skip(t, sizeof h + stream::padded(h.size));
    const long placed = place_private(t, own, static_cast<int>(h.result), cloexec);
    finish_event(t, h);  // then another thread's file may have the number
    return placed;
  }
  return keep_apart(t, static_cast<int>(own), cloexec);
}

}  // namespace

bool private_path(Call& c, int path_arg) {
  if (path_arg < 0 || !path_readable(c.args[path_arg])) return false;
  auto* path = reinterpret_cast<const char*>(c.args[path_arg]);
  if (control()->settings.different_roots) {
    Path p;
    if (normalise(path, p) && own_proc_file(p.text, c.t->proc->vpid)) return true;
    Owner owner = owner_of(c, path_arg, looks_at_link(c));
    if (owner != Owner::kUnknown) return owner == Owner::kOwn;
  }
  uint8_t dir_arg = c.d->args[path_arg].size_arg;
  if (path[0] != '/') {
    if (dir_arg == sys::kNoArg) return false;
    auto dir = static_cast<int>(c.args[dir_arg]);
    return fd_private(c.t, dir);  // an open folder of the image, or AT_EMPTY_PATH on a private file
  }
  return own_image(path, *c.t->proc);
}

void own_proc_path(Call& c, int path_arg) {
  Thread* t = c.t;
  constexpr size_t kProc = 6;  // "/proc/"
  if (!path_readable(c.args[path_arg])) return;
  auto* path = reinterpret_cast<const char*>(c.args[path_arg]);
  if (!starts_with(path, "/proc/")) return;
  int64_t vpid = 0;
  const char* rest = path + kProc;
  while (*rest >= '0' && *rest <= '9' && vpid < (1 << 24)) vpid = vpid * 10 + (*rest++ - '0');
  size_t left = string_length(rest, sizeof t->own_path);
  if (rest == path + kProc || (*rest && *rest != '/') || left + 32 > sizeof t->own_path) return;
  int32_t real = own_id(t, static_cast<int32_t>(vpid));
  if (real == vpid) return;
  copy_string(t->own_path, "/proc/", kProc + 1);
  size_t n = append_number(t->own_path, kProc, static_cast<uint64_t>(real));
  memcpy(t->own_path + n, rest, left + 1);
  c.exec[path_arg] = reinterpret_cast<uint64_t>(t->own_path);
}

long run_file(Call& c) {
  if (private_path(c, c.d->path_arg)) {
    use_own_program(c, c.d->path_arg);
    return run_local(c);
  }
  return run_event(c);
}

long run_open(Call& c) {
  OpenRequest req = describe_open(c);
  if (read_only(req.flags) && private_path(c, req.path_arg)) return open_private(c, req);
  if (!read_only(req.flags)) note_written(c, req.path_arg);
  bool new_name = (req.flags & (kCreat | kExclusive)) == (kCreat | kExclusive);
  long ret = new_name ? run_new_name(c, req.path_arg) : run_event(c);
  if (!c.t->regs_redirected && !c.on_own) {
    c.ret = ret;
    localise_open(c, req.flags);
  }
  return ret;
}

long run_mkdir(Call& c) { return run_new_name(c, c.nr == __NR_mkdir ? 0 : 1); }

void localise_sendfile(Call& c) {
  // The leader's kernel moved the position of a private input; ours must follow.
  if (c.t->role != Role::kFollower || c.ret <= 0) return;
  int in = static_cast<int>(c.args[c.nr == __NR_sendfile ? 1 : 0]);
  bool own_offset = c.nr == __NR_sendfile ? c.args[2] : c.args[1];
  if (fd_private(c.t, in) && !own_offset) sys(__NR_lseek, in, c.ret, 1);
}

namespace {
// Follower: into the folder that the leader is in.
void follow_into_folder(Thread* t) {
  char link[32] = "/proc/";
  size_t n = append_number(
      link, 6, t->proc->shared->real_pid[static_cast<int>(stream::other(t->proc->version))]);
  copy_string(link + n, "/cwd", 8);
  sys(__NR_chdir, link);
}
}  // namespace

// Each version goes to its own folder of that name; to
// the leader's if it has none (the program made it).
long run_chdir(Call& c) {
  if (c.t->role != Role::kFollower) return run_both(c);
  EventHeader h;
  Match match = follower_match(c, h);
  if (match == Match::kRedirected) return c.r->rax;
  long own = raw6(c.nr, c.args[0]);
  if (match != Match::kMatched) return own;
  if (h.result == 0 && is_error(own)) follow_into_folder(c.t);
  follower_take(c, h);  // releases the leader, whose next calls may remove the folder
  if (c.ret != 0 && !is_error(own)) report_result_divergence(c, own);
  return c.ret;
}

// Where the leader has come to, by name: it may have gone on when a follower comes to the event.
long perform_fchdir(Call& c) {
  const long ret = execute_by_role(c);
  if (!c.blob_size) return ret;
  const long n = ret == 0 ? sys(__NR_getcwd, c.blob, c.blob_size) : 0;
  c.blob_size = n > 0 ? n : 0;
  return ret;
}

// Before the leader goes on, which waits.
void enter_folder(Call& c) {
  if (c.ret != 0) return;
  if (c.t->role != Role::kFollower) {  // the killed leader was there already
    execute_plain(c);
    return;
  }
  const auto* name = reinterpret_cast<const char*>(c.blob);
  const bool named = c.blob_size && name[0] == '/' && !name[c.blob_size - 1];
  if (!named || is_error(sys(__NR_chdir, name))) follow_into_folder(c.t);
}

long run_fchdir(Call& c) {
  Thread* t = c.t;
  Path name;
  if (fd_private(t, static_cast<int>(c.args[0]))) return run_both(c);
  c.blob = reinterpret_cast<uint64_t>(name.text);
  c.blob_size = sizeof name.text;
  const long ret = run_event(c);
  if (t->role == Role::kLeader && ret == 0) lane_rendezvous(t, false);
  return ret;
}

}  // namespace mx::agent
