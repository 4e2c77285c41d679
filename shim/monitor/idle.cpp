#include "shim/monitor/idle.h"

#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "shim/monitor/arena.h"
#include "shim/monitor/events.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/proc_text.h"

namespace mx::monitor {

using namespace stream;

namespace {

bool has_no_limit(long nr, const unsigned long args[6]) {
  switch (nr) {
    case SYS_read:
    case SYS_readv:
    case SYS_recvfrom:
    case SYS_recvmsg:
    case SYS_accept:
    case SYS_accept4:
    case SYS_wait4:
    case SYS_waitid:
      return true;
    case SYS_poll:
      return static_cast<int>(args[2]) < 0;
    case SYS_epoll_wait:
    case SYS_epoll_pwait:
      return static_cast<int>(args[3]) < 0;
    case SYS_ppoll:
      return args[2] == 0;
    case SYS_epoll_pwait2:
      return args[3] == 0;
    case SYS_select:
    case SYS_pselect6:
      return args[4] == 0;
    case SYS_futex: {
      const unsigned long command = args[1] & FUTEX_CMD_MASK;
      return (command == FUTEX_WAIT || command == FUTEX_WAIT_BITSET) && args[3] == 0;
    }
    default:
      return false;
  }
}

}  // namespace

bool waits_for_ever(pid_t pid, pid_t tid) {
  const std::string text =
      proc_text("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/syscall");
  long nr = 0;
  unsigned long a[6] = {};
  return std::sscanf(text.c_str(), "%ld %lx %lx %lx %lx %lx %lx", &nr, &a[0], &a[1], &a[2], &a[3],
                     &a[4], &a[5]) == 7 &&
         has_no_limit(nr, a);
}

void ask_at_rest(Control& c, Process& p, Version v) {
  const int i = static_cast<int>(v);
  if (p.leader.load() != static_cast<uint32_t>(v)) {
    p.look_up[i].fetch_or(kWantAtRest);
    wake_lanes(c, p);
    return;
  }
  const auto index = static_cast<uint32_t>(&p - c.processes);
  const pid_t pid = fetched(p.real_pid[i]);
  if (!is_own_process(pid)) return;
  for (const Lane& l : lanes_taken(c)) {
    const pid_t tid = fetched(l.real_tid[i]);
    if (!l.in_use.load() || l.process != index || tid <= 1 || !waits_for_ever(pid, tid)) continue;
    p.look_up[i].fetch_or(kWantAtRest);
    syscall(SYS_tgkill, pid, tid, SIGSYS);
    return;
  }
}

}  // namespace mx::monitor
