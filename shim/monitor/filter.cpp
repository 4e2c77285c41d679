#include "shim/monitor/filter.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>

#include "shim/stream/layout.h"

namespace mx::monitor {

int install_filter(uint64_t cookie) {
  using stream::kAgentBase;
  using stream::kCodeEnd;
  constexpr uint32_t ip = offsetof(seccomp_data, instruction_pointer);
  constexpr uint32_t last_arg = offsetof(seccomp_data, args) + 5 * 8;
  static_assert(kAgentBase >> 32 == (kCodeEnd - 1) >> 32 && (kAgentBase & 0xffffffff) == 0);
  sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(kAgentBase >> 32), 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, ip),
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, static_cast<uint32_t>(kCodeEnd & 0xffffffff), 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, last_arg),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(cookie), 0, 2),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, last_arg + 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(cookie >> 32), 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{sizeof code / sizeof code[0], code};
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0) return 0;
  if (errno != EACCES) return errno;
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno;
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 ? 0 : errno;
}

}  // namespace mx::monitor
