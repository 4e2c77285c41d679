#include "shim/monitor/pace.h"

#include <linux/capability.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <string>

#include "shim/agent/kernel.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

namespace {
constexpr ino_t kInitialUserNamespace = 0xEFFFFFFD;  // PROC_USER_INIT_INO, include/linux/proc_ns.h

void set_pace_of_thread(pid_t tid, uint32_t policy, uint64_t slice) {
  agent::SchedAttr a{};
  if (syscall(SYS_sched_getattr, tid, &a, sizeof a, 0) != 0 || a.policy != SCHED_IDLE) return;
  a.size = sizeof a;
  a.policy = policy;
  a.runtime = slice;
  syscall(SYS_sched_setattr, tid, &a, 0);
}
}  // namespace

bool may_set_pace() {
  struct stat ns {};
  if (stat("/proc/self/ns/user", &ns) != 0 || ns.st_ino != kInitialUserNamespace) return false;
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_SYS_NICE & 1);
}

void set_pace(pid_t pid, int policy, uint64_t slice) {
  if (!is_own_process(pid)) return;
  for (const pid_t tid : threads_of(pid))
    set_pace_of_thread(tid, static_cast<uint32_t>(policy), slice);
}

}  // namespace mx::monitor
