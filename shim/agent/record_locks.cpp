#include "shim/agent/record_locks.h"

#include "shim/agent/fd_passing.h"
#include "shim/agent/fds.h"
#include "shim/agent/pair.h"
#include "shim/agent/report.h"

namespace mx::agent {

namespace {

constexpr uint64_t kGetlk = 5, kSetlk = 6;
constexpr int16_t kReadLock = 0, kWriteLock = 1, kUnlocked = 2;
constexpr uint32_t kMostLocks = 1024;
constexpr int kDeepest = 64;  // ranges beside each other's locks, see find_locks()
constexpr int64_t kToTheEnd = 0x7fffffffffffffff;

struct Flock {  // struct flock
  int16_t type, whence;
  int32_t pad;
  int64_t start, size;
  int32_t pid, pad2;
};
static_assert(sizeof(Flock) == 32);

struct RecordLock {
  int32_t fd;
  int16_t type, shared;
  int64_t start, size;  // size 0: to the end, however far that is
};

// In the scratch that held the list of descriptors, which the survivor has read.
struct LockList {
  uint32_t count;
  RecordLock lock[kMostLocks];
};
static_assert(sizeof(LockList) <= stream::kLaneScratch);

LockList* locks_of(const Process* p) {
  return reinterpret_cast<LockList*>(lane_scratch(p->fd_list_lane));
}

bool set_lock(const RecordLock& l, int16_t type) {
  Flock f{type, 0, 0, l.start, l.size, 0, 0};
  return sys(__NR_fcntl, l.fd, kSetlk, &f) == 0;
}

// What keeps this process out of [from, to) of a file, if it is the failed leader's: the kernel
// names a process that has ended 0 (or by its former number). It tells of one lock, not of the
// first one: what lies on both sides is asked for again.
void find_locks(int fd, int32_t owner, int64_t from, int64_t to, LockList& list, int depth) {
  while (from < to && depth < kDeepest && list.count < kMostLocks) {
    Flock f{kWriteLock, 0, 0, from, to == kToTheEnd ? 0 : to - from, 0, 0};
    if (sys(__NR_fcntl, fd, kGetlk, &f) != 0 || f.type == kUnlocked) return;
    if (f.pid == 0 || f.pid == owner) list.lock[list.count++] = {fd, f.type, 0, f.start, f.size};
    if (f.start > from) find_locks(fd, owner, from, f.start, list, depth + 1);
    if (f.size == 0) return;
    from = f.start + f.size;
  }
}

bool has_write_locks(const LockList& list) {
  for (uint32_t i = 0; i < list.count; i++)
    if (list.lock[i].type == kWriteLock) return true;
  return false;
}

}  // namespace

void note_record_lock(Thread* t, int fd) {
  if (valid_fd(fd)) fd_bits(t, fd) |= kFdLocked;
}

uint32_t share_record_locks(Thread* t) {
  Process* p = t->proc->shared;
  LockList& list = *locks_of(p);
  list.count = 0;
  for (int fd = 0; fd <= t->proc->max_fd; fd++)
    if (fd_bits(t, fd) & kFdLocked) find_locks(fd, twin_pid(t), 0, kToTheEnd, list, 0);
  if (has_write_locks(list)) ask_holder(p, kWeakenLocks);
  for (uint32_t i = 0; i < list.count; i++) list.lock[i].shared = set_lock(list.lock[i], kReadLock);
  return list.count;
}

void own_record_locks(Thread* t, uint32_t locks) {
  const LockList& list = *locks_of(t->proc->shared);
  uint32_t lost = 0;
  for (uint32_t i = 0; i < locks; i++) {
    const RecordLock& l = list.lock[i];
    if (l.type == kReadLock && l.shared) continue;
    lost += !set_lock(l, l.type);
  }
  if (lost)
    note(t,
         "a record lock of the failed leader could not be taken over: another process was faster");
}

void weaken_locks(Process* p) {
  LockList& list = *locks_of(p);
  for (uint32_t i = 0; i < list.count && i < kMostLocks; i++)
    if (list.lock[i].type == kWriteLock) set_lock(list.lock[i], kReadLock);
}

}  // namespace mx::agent
