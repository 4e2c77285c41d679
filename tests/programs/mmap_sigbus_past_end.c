// Touching a mapping beyond the end of its file raises SIGBUS, which can be caught.
// expect: ok: SIGBUS caught
#include <setjmp.h>
#include <sys/mman.h>

#include "check.h"

static sigjmp_buf back;
static char* map;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  CHECK(info->si_addr == map + 4096 && info->si_code == BUS_ADRERR);
  siglongjmp(back, 1);
}

int main(void) {
  int fd = open("file", O_RDWR | O_CREAT, 0644);
  CHECK(ftruncate(fd, 4096) == 0);
  map = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGBUS, &action, NULL) == 0);
  map[0] = 1;
  if (sigsetjmp(back, 1) == 0) {
    map[4096] = 1;
    CHECK(!"no fault");
  }
  CHECK(ftruncate(fd, 8192) == 0);
  map[4096] = 1;
  puts("ok: SIGBUS caught");
}
