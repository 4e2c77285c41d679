// io_uring works natively; under mx it is refused with ENOSYS, so that programs fall back.
// report-allows: refused -- io_uring is refused on purpose and the report says so
// expect: io_uring: there
// expect-mx: io_uring: ENOSYS
#include <linux/io_uring.h>

#include "check.h"

int main(void) {
  // Without parameters the kernel answers EFAULT; EPERM where the administrator forbids io_uring.
  CHECK(syscall(SYS_io_uring_setup, 4, NULL) == -1);
  printf("io_uring: %s\n", errno == ENOSYS ? "ENOSYS" : "there");
}
