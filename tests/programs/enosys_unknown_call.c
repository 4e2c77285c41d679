// System calls that no kernel has are refused with ENOSYS.
// report-allows: refused -- a number that the table lacks is refused and reported
// expect: ok: ENOSYS
#include "check.h"

int main(void) {
  CHECK_FAILS(syscall(9999), ENOSYS);
  CHECK_FAILS(syscall(100000, 1, 2, 3), ENOSYS);
  CHECK_FAILS(syscall(-5), ENOSYS);
  CHECK_FAILS(syscall(180), ENOSYS);  // nfsservctl: a number without a call
  CHECK(syscall(SYS_getpid) == getpid());
  puts("ok: ENOSYS");
}
