// waitid looks without collecting, tells how a child ended, and waits by group.
// expect: ok: waitid
#include "check.h"

int main(void) {
  siginfo_t info;
  pid_t child = fork();
  if (child == 0) _exit(3);
  CHECK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT) == 0);
  CHECK(info.si_pid == child && info.si_code == CLD_EXITED && info.si_status == 3);
  CHECK(info.si_signo == SIGCHLD && info.si_uid == getuid());
  CHECK(waitid(P_ALL, 0, &info, WEXITED) == 0 && info.si_pid == child);
  CHECK_FAILS(waitid(P_PID, (id_t)child, &info, WEXITED), ECHILD);
  child = fork();
  if (child == 0) {
    setpgid(0, 0);
    raise(SIGKILL);
  }
  setpgid(child, child);
  CHECK(waitid(P_PGID, (id_t)child, &info, WEXITED) == 0);
  CHECK(info.si_pid == child && info.si_code == CLD_KILLED && info.si_status == SIGKILL);
  CHECK_FAILS(waitid(P_ALL, 0, &info, 0), EINVAL);
  puts("ok: waitid");
}
