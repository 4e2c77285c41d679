// A program forbids itself calls by seccomp: an error for one, death for another in a child.
// expect: ok: filtered
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "check.h"

static void forbid(unsigned number, unsigned action) {
  struct sock_filter code[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, code};
  CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
}

int main(void) {
  CHECK(prctl(PR_GET_SECCOMP) == 0);
  CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  forbid(SYS_mkdir, SECCOMP_RET_ERRNO | 77);
  CHECK_FAILS(mkdir("dir", 0755), 77);
  CHECK(prctl(PR_GET_SECCOMP) == 2);
  pid_t child = fork();
  if (child == 0) {
    CHECK_FAILS(mkdir("dir", 0755), 77);  // inherited
    forbid(SYS_rmdir, SECCOMP_RET_KILL_PROCESS);
    rmdir("dir");
    _exit(0);
  }
  CHECK(wait_for(child) == 128 + SIGSYS);
  CHECK_FAILS(rmdir("dir"), ENOENT);
  puts("ok: filtered");
}
