// The vDSO: present natively; under mx it is hidden, so that every clock reading is an event.
// expect: vdso: present
// expect-mx: vdso: absent
#include <sys/auxv.h>

#include "check.h"

int main(void) {
  struct timespec now;
  CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0 && now.tv_sec + now.tv_nsec > 0);
  CHECK(time(NULL) > 1600000000);
  printf("vdso: %s\n", getauxval(AT_SYSINFO_EHDR) ? "present" : "absent");
}
