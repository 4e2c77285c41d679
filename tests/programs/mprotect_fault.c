// mprotect takes rights away and gives them back; the faults between are caught.
// expect: ok: protected
#include <sys/mman.h>

#include "check.h"

static char* page;
static volatile int faults;

static void handle(int signal, siginfo_t* info, void* context) {
  (void)signal, (void)context;
  CHECK(info->si_code == SEGV_ACCERR && info->si_addr == page + 100);
  faults++;
  CHECK(mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0);
}

int main(void) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO};
  CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
  page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 1; i <= 3; i++) {
    CHECK(mprotect(page, 4096, PROT_READ) == 0);
    ((volatile char*)page)[100] = (char)i;  // runs again after the handler
    CHECK(faults == i && page[100] == i);
  }
  CHECK(munmap(page, 4096) == 0);
  CHECK_FAILS(mprotect(page, 4096, PROT_READ), ENOMEM);
  puts("ok: protected");
}
