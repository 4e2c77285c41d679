// Restartable sequences: libc's registration works, a second one is refused, as the kernel says.
// expect: ok: rseq
#include <sys/rseq.h>
#include <sys/sysinfo.h>

#include "check.h"

int main(void) {
  struct rseq* area = (struct rseq*)((char*)__builtin_thread_pointer() + __rseq_offset);
  static struct rseq other __attribute__((aligned(32)));
  CHECK(__rseq_size >= 20);
  for (int i = 0; i < 1000; i++) {
    CHECK((int)area->cpu_id >= 0 && (int)area->cpu_id < get_nprocs_conf());
    CHECK(area->cpu_id_start < (unsigned)get_nprocs_conf());
    if (i % 100 == 0) CHECK(sched_yield() == 0);
  }
  CHECK_FAILS(syscall(SYS_rseq, &other, 32, 0, RSEQ_SIG), EINVAL);
  CHECK_FAILS(syscall(SYS_rseq, area, 32, 0, RSEQ_SIG + 1), EPERM);
  pid_t child = fork();
  if (child == 0) _exit((int)area->cpu_id >= 0 ? 0 : 1);
  CHECK(wait_for(child) == 0);
  puts("ok: rseq");
}
