#include "shim/agent/streams.h"

namespace mx::agent {

namespace {

// Parts of glibc's FILE (libio/bits/types/struct_FILE.h)
// and of _IO_lock_t (sysdeps/nptl/stdio-lock.h).
struct Stream {
  uint32_t flags;
  uint8_t buffers[0x84];
  struct Lock {
    int32_t word, count;
    uint64_t owner;
  } * lock;
};
static_assert(__builtin_offsetof(Stream, lock) == 0x88);

// pthread_self(): the block of the thread begins with, and holds, its own address.
uint64_t self() {
  uint64_t block;
  asm("mov %%fs:0x10, %0" : "=r"(block));
  return block;
}

// Not one that nobody locks (_IO_USER_LOCK, dprintf's), and not one that was locked before the
// function that is under way took it once more.
bool has_just_locked(const Stream* s) {
  constexpr uint32_t kUserLock = 0x8000;
  return !(s->flags & kUserLock) && s->lock && s->lock->count == 1 && s->lock->owner == self();
}

}  // namespace

long stream_call(Thread* t, const HookedCall& c) {
  const uint64_t stream = c.args[0];
  const bool may_wait =
      lock_function_address[sites::kUnlockStream] && lock_function_address[sites::kLockStream];
  if (!may_wait || !has_just_locked(reinterpret_cast<const Stream*>(stream))) return c.run();
  bool publishes = t->role == Role::kLeader;
  if (t->role == Role::kFollower) {
    call_function(sites::kUnlockStream, stream);
    const bool take = mx_lock_step(kAwait, c.function, 0, 0) == kTake;
    call_function(sites::kLockStream, stream);
    if (take) mx_lock_step(kDone, 0, 0, 0);
    publishes = !take && t->role == Role::kLeader;  // took over
  }
  if (publishes) mx_lock_step(kAcquired, c.function, 0, 0);
  return c.run();
}

}  // namespace mx::agent
