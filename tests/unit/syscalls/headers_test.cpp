// Numbers and sizes of the table against the headers of the system, at compile time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/timex.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <utime.h>

#include <iterator>

#include "shim/syscalls/syscalls.h"

namespace mx::sys {

/// Structures as the kernel has them, where the C library has none or a different one.
/// kernel_test.cpp checks the written ones against the kernel itself.
namespace abi {
struct Ustat {  // struct ustat of <linux/types.h>
  int f_tfree;
  unsigned long f_tinode;
  char f_fname[6];
  char f_fpack[6];
};
struct Cachestat {  // struct cachestat of <linux/mman.h>, Linux 6.5
  std::uint64_t cache, dirty, writeback, evicted, recently_evicted;
};
struct CachestatRange {
  std::uint64_t off, len;
};
struct Sigset {  // 64 signals; the C library's sigset_t has room for 1024
  std::uint64_t bits;
};
struct Sigaction {  // struct kernel_sigaction
  void* handler;
  unsigned long flags;
  void* restorer;
  Sigset mask;
};
}  // namespace abi

#define MX_SYSCALL_STRUCT(id, size, ctype) static_assert(sizeof(ctype) == size, #ctype);
#include "mx/syscalls/structs.inc"
#undef MX_SYSCALL_STRUCT

constexpr long kAsserted[] = {
#define MX_SYSCALL_ASSERT(id, number) ((id) == (number) ? (id) : throw #id),
#include "mx/syscalls/asserts.inc"
#undef MX_SYSCALL_ASSERT
};

// Debian 12's headers (Linux 6.1) know 362 calls. Were a name of the table misspelt, there would be
// fewer.
static_assert(std::size(kAsserted) >= 362);

TEST(Headers, HighestNumberIsTheTablesLast) { EXPECT_EQ(describe(kMax).nr, kMseal); }

}  // namespace mx::sys
