// A root process drops a capability and loses what it allowed.
// expect: ok: capability dropped
#include <linux/capability.h>
#include <sys/prctl.h>

#include "check.h"

int main(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2];
  put_file("file", "");
  CHECK(chown("file", 5, 5) == 0);
  CHECK(syscall(SYS_capget, &header, data) == 0);
  CHECK(data[0].effective & (1 << CAP_CHOWN));
  data[0].effective &= ~(1u << CAP_CHOWN);
  CHECK(syscall(SYS_capset, &header, data) == 0);
  CHECK_FAILS(chown("file", 6, 6), EPERM);
  data[0].effective |= 1 << CAP_CHOWN;  // still permitted: may come back
  CHECK(syscall(SYS_capset, &header, data) == 0 && chown("file", 0, 0) == 0);
  data[0].effective &= ~(1u << CAP_CHOWN);
  data[0].permitted &= ~(1u << CAP_CHOWN);
  CHECK(syscall(SYS_capset, &header, data) == 0);
  data[0].permitted |= 1 << CAP_CHOWN;
  CHECK_FAILS(syscall(SYS_capset, &header, data), EPERM);
  CHECK(prctl(PR_CAPBSET_READ, CAP_KILL) == 1 && prctl(PR_CAPBSET_DROP, CAP_KILL) == 0);
  CHECK(prctl(PR_CAPBSET_READ, CAP_KILL) == 0);
  puts("ok: capability dropped");
}
