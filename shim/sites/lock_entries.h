// The functions whose entries the agent hooks. Those of libc in a process with several threads, so
// that the order in which threads get a lock is an event; and those that make random numbers from
// what is not the same in both versions (addresses, the processor's instructions), so that what
// they make is one. Freestanding: shared with the agent.
#pragma once
#include <cstdint>

namespace mx::sites {

/// What a hook has to know of a function.
enum class LockKind : uint8_t {
  kLock,        ///< waits until it has the lock
  kTry,         ///< may fail with EBUSY, EAGAIN or ETIMEDOUT as its result
  kSemaphore,   ///< as kTry, but the result is -1 and errno
  kCondition,   ///< gives the mutex of argument 1 back, waits, takes it again
  kBarrier,     ///< one of the threads gets another result
  kStream,      ///< runs with the lock of the stdio stream in argument 0 held
  kSerialized,  ///< takes a lock of libc's own that nothing else shows; any number of arguments
  kAddress,     ///< not hooked: its address is wanted
  kBytes,       ///< fills argument 0 with as many random bytes as argument 1 says
  kBytesIn,     ///< the same, arguments 1 and 2: argument 0 is a library's context
  kValue,       ///< its result is random, 32 bits
};

struct LockFunction {
  const char* name;
  LockKind kind;
};

/// By number, as in LockEntry::function. Changing it makes cached tables stale: see kTableVersion.
inline constexpr LockFunction kLockFunctions[] = {
    {"pthread_mutex_lock", LockKind::kLock},
    {"pthread_mutex_unlock", LockKind::kAddress},
    {"__errno_location", LockKind::kAddress},
    {"pthread_mutex_trylock", LockKind::kTry},
    {"pthread_mutex_timedlock", LockKind::kTry},
    {"pthread_mutex_clocklock", LockKind::kTry},
    {"pthread_rwlock_rdlock", LockKind::kLock},
    {"pthread_rwlock_wrlock", LockKind::kLock},
    {"pthread_rwlock_tryrdlock", LockKind::kTry},
    {"pthread_rwlock_trywrlock", LockKind::kTry},
    {"pthread_rwlock_timedrdlock", LockKind::kTry},
    {"pthread_rwlock_timedwrlock", LockKind::kTry},
    {"pthread_rwlock_clockrdlock", LockKind::kTry},
    {"pthread_rwlock_clockwrlock", LockKind::kTry},
    {"pthread_spin_lock", LockKind::kLock},
    {"pthread_spin_trylock", LockKind::kTry},
    {"sem_wait", LockKind::kSemaphore},
    {"sem_trywait", LockKind::kSemaphore},
    {"sem_timedwait", LockKind::kSemaphore},
    {"sem_clockwait", LockKind::kSemaphore},
    {"pthread_cond_wait", LockKind::kCondition},
    {"pthread_cond_timedwait", LockKind::kCondition},
    {"pthread_cond_clockwait", LockKind::kCondition},
    {"pthread_barrier_wait", LockKind::kBarrier},
    {"__cxa_guard_acquire", LockKind::kLock},
    {"sem_post", LockKind::kAddress},
    // OpenSSL 3; before, there are only the other two, which call these from then on.
    {"RAND_bytes_ex", LockKind::kBytesIn},
    {"RAND_priv_bytes_ex", LockKind::kBytesIn},
    {"RAND_bytes", LockKind::kBytes},
    {"RAND_priv_bytes", LockKind::kBytes},
    {"_ZNSt13random_device9_M_getvalEv", LockKind::kValue},  // libstdc++: rdrand, rdseed
    {"flockfile", LockKind::kLock},
    {"funlockfile", LockKind::kAddress},
    // glibc: what printf, puts, fwrite, fflush, … come to.
    {"_IO_file_xsputn", LockKind::kStream},
    {"_IO_file_overflow", LockKind::kStream},
    {"_IO_file_sync", LockKind::kStream},
    {"_IO_wfile_xsputn", LockKind::kStream},
    {"syslog", LockKind::kSerialized},
    {"vsyslog", LockKind::kSerialized},
    {"__syslog_chk", LockKind::kSerialized},
    {"__vsyslog_chk", LockKind::kSerialized},
    {"openlog", LockKind::kSerialized},
    {"closelog", LockKind::kSerialized},
    {"random", LockKind::kSerialized},  // rand(3) calls it
    {"srandom", LockKind::kSerialized},
};
constexpr bool is_random(LockKind kind) {
  return kind == LockKind::kBytes || kind == LockKind::kBytesIn || kind == LockKind::kValue;
}
inline constexpr uint32_t kLockFunctionCount = sizeof kLockFunctions / sizeof kLockFunctions[0];
/// By number: a wait for a condition, which may end for nothing.
constexpr bool is_condition(uint32_t function) {
  return function < kLockFunctionCount && kLockFunctions[function].kind == LockKind::kCondition;
}
inline constexpr uint32_t kMutexLock = 0, kMutexUnlock = 1, kErrnoLocation = 2, kConditionWait = 20,
                          kConditionClockWait = 22, kSemaphorePost = 25, kLockStream = 31,
                          kUnlockStream = 32, kDraw = 43;
static_assert(kLockFunctions[kConditionWait].name[13] == 'w' &&
              kLockFunctions[kConditionWait].kind == LockKind::kCondition);
static_assert(kLockFunctions[kLockStream].name[1] == 'l' &&
              kLockFunctions[kUnlockStream].name[1] == 'u' && kLockFunctions[kDraw].name[0] == 'r');

}  // namespace mx::sites
