#include "shim/agent/own_root.h"

#include "shim/agent/align.h"
#include "shim/agent/fds.h"
#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"
#include "shim/agent/order.h"
#include "shim/agent/paths.h"
#include "shim/agent/written_names.h"
#include "shim/syscalls/forms.h"

namespace mx::agent {

namespace {

constexpr int kCwd = -100;
constexpr uint64_t kNoFollowAt = 0x100, kEmptyPath = 0x1000, kNoAutomount = 0x800,
                   kDontSync = 0x4000;
constexpr uint64_t kNoFollowOpen = 0400000, kCreat = 0100, kTrunc = 01000, kAccess = 3,
                   kTmpfile = 020000000, kRemoveFolder = 0x200;
constexpr uint32_t kWantType = 1, kWantMount = 0x1000;
constexpr uint16_t kTypeMask = 0170000, kFolder = 0040000, kFile = 0100000, kLink = 0120000;
constexpr int kLookAhead = 16;

// What statx(2) says; the fields between are of no use here.
struct Statx {
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, uid, gid;
  uint16_t mode, pad;
  uint64_t rest[14];
  uint64_t mount;
  uint64_t more[13];
};
static_assert(sizeof(Statx) == 256 && __builtin_offsetof(Statx, mount) == 144);

long look(int dirfd, const char* path, bool nofollow, Statx& st) {
  uint64_t flags = kNoAutomount | kDontSync | (nofollow ? kNoFollowAt : 0);
  return sys(__NR_statx, dirfd, path, flags, kWantType | kWantMount, &st);
}

// Who owns what stands on a mount.
Owner owner_of_mount(Version v, const Statx& st) {
  const stream::Settings& s = control()->settings;
  int me = static_cast<int>(v);
  if (!(st.mask & kWantMount)) return Owner::kUnknown;
  for (uint32_t i = 0; i < s.own_mount_count[me] && i < stream::kOwnMounts; i++)
    if (s.own_mounts[me][i] == st.mount) return Owner::kOwn;
  return s.root_is_own ? Owner::kShared : Owner::kUnknown;
}

// A name that is not there belongs to where it would
// be. A link that leads nowhere is left to the leader.
Owner owner_of_missing(Version v, int dirfd, const char* text, const Path& path) {
  Statx st;
  if (look(dirfd, text, true, st) == 0) return Owner::kShared;
  Path above = path;
  while (parent_of(above)) {
    if (look(kCwd, above.text, false, st) == 0) return owner_of_mount(v, st);
  }
  return Owner::kShared;
}

bool ordinary(uint16_t mode) {
  uint16_t type = mode & kTypeMask;
  return type == kFile || type == kFolder || type == kLink;
}

// The leader has written the name, this version has not come to that place, or never will. The next
// event tells whether the leader looked before or after it wrote.
bool leader_shares(Call& c) {
  Thread* t = c.t;
  EventHeader h;
  uint64_t offset = 0, mine = digest_inputs(c);
  OnTheWay way = {};
  if (lane_wait(t, sizeof h) != Wait::kReady) return false;  // who asks next hears it again
  for (int k = 0; k < kLookAhead; k++) {
    if (!lane_more(t, offset + sizeof h)) return false;
    lane_peek(t, offset, &h, sizeof h);
    bool is_call = h.kind == EventKind::kCall || h.kind == EventKind::kIntent;
    if (is_call && sys::normal_number(h.nr) == sys::normal_number(c.nr) &&
        (!h.digest || h.digest == mine))
      return true;
    if (!may_pass(c.t, offset, h, way)) return false;
    offset += sizeof h + stream::padded(h.size);
  }
  return false;
}

bool was_written(Call& c, int dirfd, const char* text, bool nofollow) {
  Version me = c.t->proc->version, they = stream::other(me);
  bool follows = c.t->role == Role::kFollower;
  if (!any_written(me) && !(follows && any_written(they))) return false;
  Path path;
  if (!real_path(dirfd, text, nofollow, path)) return true;
  if (written(me, path.text)) return true;
  return follows && written(they, path.text) && leader_shares(c);
}

// A folder that is not this version's own has no descriptor here, or one of the leader's.
bool reachable(Thread* t, int dirfd, const char* text) {
  return text[0] == '/' || dirfd == kCwd || fd_private(t, dirfd);
}

bool on_own_root(Version v, int dirfd, const char* text, bool nofollow) {
  Path path;
  if (!absolute_path(dirfd, text, path)) return false;
  Statx st;
  Owner owner = look(dirfd, text, nofollow, st) == 0 ? owner_of_mount(v, st)
                                                     : owner_of_missing(v, dirfd, text, path);
  return owner == Owner::kOwn;
}

}  // namespace

int folder_of(const Call& c, int path_arg) {
  uint8_t arg = c.d->args[path_arg].size_arg;
  return arg == sys::kNoArg ? kCwd : static_cast<int>(c.args[arg]);
}

bool looks_at_link(const Call& c) {
  switch (c.nr) {
    case __NR_lstat:
    case __NR_readlink:
    case __NR_readlinkat:
    case __NR_lgetxattr:
    case __NR_llistxattr:
      return true;
    case __NR_newfstatat:
    case __NR_faccessat2:
      return c.args[3] & kNoFollowAt;
    case __NR_statx:
      return c.args[2] & kNoFollowAt;
    case __NR_open:
      return c.args[1] & kNoFollowOpen;
    case __NR_openat:
      return c.args[2] & kNoFollowOpen;
    default:
      return false;
  }
}

Owner owner_of(Call& c, int path_arg, bool nofollow) {
  auto* text = reinterpret_cast<const char*>(c.args[path_arg]);
  int dirfd = folder_of(c, path_arg);
  if (!reachable(c.t, dirfd, text)) return Owner::kShared;
  if (!text[0]) return fd_private(c.t, dirfd) ? Owner::kOwn : Owner::kShared;
  Path path;
  if (!absolute_path(dirfd, text, path)) return Owner::kShared;
  Statx st;
  Version me = c.t->proc->version;
  Owner owner;
  long error = look(dirfd, text, nofollow, st);
  if (error == kEperm || error == kEnosys)
    return Owner::kUnknown;  // a seccomp profile without statx
  if (error)
    owner = owner_of_missing(me, dirfd, text, path);
  else
    owner = ordinary(st.mode) ? owner_of_mount(me, st) : Owner::kShared;
  if (owner == Owner::kOwn && was_written(c, dirfd, text, nofollow)) owner = Owner::kShared;
  return owner;
}

namespace {

struct Change {
  bool content = false;  // what the name stands for is the leader's from now on
  bool listing = false;  // the folder it stands in has more or fewer names
  bool mirrored = false;
};

uint64_t open_flags(const Call& c) {
  if (c.nr == __NR_creat) return 1 | kCreat;
  if (c.nr == __NR_openat2)
    return *reinterpret_cast<uint64_t*>(c.args[2]);  // the kernel has read it
  return c.args[c.nr == __NR_open ? 1 : 2];
}

Change change_by_open(uint64_t flags) {
  if ((flags & kTmpfile) == kTmpfile) return {};
  bool writes = (flags & kAccess) || (flags & kTrunc);
  bool creates = flags & kCreat;
  return {writes || creates, creates, false};
}

Change change_of(const Call& c) {
  constexpr Change kContent{true, true, false}, kPlain{false, false, true},
      kFolderOrLink{false, true, true};
  switch (c.nr) {
    case __NR_open:
    case __NR_openat:
    case __NR_openat2:
    case __NR_creat:
      return change_by_open(open_flags(c));
    case __NR_truncate:
      return {true, false, false};
    case __NR_rename:
    case __NR_renameat:
    case __NR_renameat2:
    case __NR_link:
    case __NR_linkat:
    case __NR_unlink:
    case __NR_mknod:
    case __NR_mknodat:
      return kContent;
    case __NR_unlinkat:
      return c.args[2] & kRemoveFolder ? kFolderOrLink : kContent;
    case __NR_mkdir:
    case __NR_mkdirat:
    case __NR_rmdir:
    case __NR_symlink:
    case __NR_symlinkat:
      return kFolderOrLink;
    case __NR_chmod:
    case __NR_fchmodat:
    case sys::kFchmodat2:
    case __NR_chown:
    case __NR_lchown:
    case __NR_fchownat:
    case __NR_utime:
    case __NR_utimes:
    case __NR_futimesat:
    case __NR_utimensat:
    case __NR_setxattr:
    case __NR_lsetxattr:
    case __NR_removexattr:
    case __NR_lremovexattr:
      return kPlain;
    default:
      return {};
  }
}

bool has_path(const Call& c, int i) {
  return c.d->args[i].kind == sys::ArgKind::kPath && c.args[i] >= stream::kPage &&
         string_readable(c.args[i], 4096);
}

// The first name of a link is not changed by it.
bool only_read(const Call& c, int i) {
  return (c.nr == __NR_link && i == 0) || (c.nr == __NR_linkat && i == 1);
}

void note_change(Call& c, int i, const Change& change) {
  Version me = c.t->proc->version;
  auto* text = reinterpret_cast<const char*>(c.args[i]);
  int dirfd = folder_of(c, i);
  Path path;
  // By name and not by what it leads to, except that an open writes what a link leads to.
  bool nofollow = !change.content || change_of(c).listing;
  if (c.nr == __NR_open || c.nr == __NR_openat) nofollow = looks_at_link(c);
  if (!reachable(c.t, dirfd, text) || !real_path(dirfd, text, nofollow, path)) return;
  Path above = path;
  if (!parent_of(above) || !on_own_root(me, kCwd, above.text, false)) return;
  if (change.content) note_written_file(me, path.text);
  if (change.listing) note_written_listing(me, above.text);
}

}  // namespace

void note_changes(Call& c) {
  Change change = change_of(c);
  if (!change.content && !change.listing) return;
  for (int i = 0; i < c.d->nargs; i++)
    if (has_path(c, i) && !only_read(c, i)) note_change(c, i, change);
}

void mirror_change(Call& c) {
  if (!change_of(c).mirrored) return;
  for (int i = 0; i < c.d->nargs; i++) {
    if (!has_path(c, i)) continue;
    auto* text = reinterpret_cast<const char*>(c.args[i]);
    int dirfd = folder_of(c, i);
    if (!reachable(c.t, dirfd, text) || !on_own_root(c.t->proc->version, dirfd, text, true)) return;
    Path path;
    // What is the leader's alone, or lies in such a folder, is not here.
    if (!real_path(dirfd, text, true, path) || inside_written(c.t->proc->version, path.text))
      return;
    raw6(c.nr, c.args[0], c.args[1], c.args[2], c.args[3], c.args[4], c.args[5]);
    return;
  }
}

}  // namespace mx::agent
