// A program is started from a descriptor by fexecve and execveat, also from a memory file.
// expect: from a descriptor
// expect: from memory
// expect: ok: executed
#include <sys/mman.h>

#include "check.h"

int main(void) {
  char* arguments[] = {(char*)"echo", (char*)"from", (char*)"a", (char*)"descriptor", NULL};
  char* other[] = {(char*)"echo", (char*)"from", (char*)"memory", NULL};
  char* none[] = {NULL};
  int fd = open("/bin/echo", O_RDONLY | O_CLOEXEC);
  pid_t child = fork();
  if (child == 0) {
    fexecve(fd, arguments, none);
    _exit(126);
  }
  CHECK(wait_for(child) == 0);
  int memory = memfd_create("echo", MFD_CLOEXEC);
  struct stat info;
  CHECK(fstat(fd, &info) == 0);
  for (off_t done = 0; done < info.st_size;) {
    static char block[65536];
    ssize_t n = pread(fd, block, sizeof block, done);
    CHECK(n > 0);
    write_all(memory, block, (size_t)n);
    done += n;
  }
  child = fork();
  if (child == 0) {
    syscall(SYS_execveat, memory, "", other, none, AT_EMPTY_PATH);
    _exit(126);
  }
  CHECK(wait_for(child) == 0);
  CHECK_FAILS(syscall(SYS_execveat, memory, "", other, none, 0), ENOENT);
  puts("ok: executed");
}
