// A program gives most of its capabilities up, naming itself by its thread id as libcap-ng does, and goes on with its files.
// expect: ok: few capabilities
#include <linux/capability.h>

#include "check.h"

int main(void) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, (int)syscall(SYS_gettid)};
  struct __user_cap_data_struct data[2], now[2];
  const unsigned kept = 1u << CAP_NET_BIND_SERVICE;
  int ends[2], file = open("file", O_RDWR | O_CREAT | O_EXCL, 0644);
  CHECK(file >= 0 && pipe(ends) == 0);
  CHECK(syscall(SYS_capget, &header, data) == 0);
  data[0].effective &= kept;
  data[0].permitted &= kept;
  data[1].effective = data[1].permitted = 0;
  CHECK(syscall(SYS_capset, &header, data) == 0);
  header.pid = 0;
  CHECK(syscall(SYS_capget, &header, now) == 0 && memcmp(data, now, sizeof now) == 0);
  for (int i = 0; i < 100; i++) {
    char c = (char)i;
    CHECK(write(ends[1], &c, 1) == 1 && read(ends[0], &c, 1) == 1 && c == (char)i);
    CHECK(write(file, "line\n", 5) == 5);
  }
  CHECK(lseek(file, 0, SEEK_CUR) == 500);
  header.version = 1;
  CHECK(syscall(SYS_capget, &header, NULL) == 0 && header.version == _LINUX_CAPABILITY_VERSION_3);
  puts("ok: few capabilities");
}
