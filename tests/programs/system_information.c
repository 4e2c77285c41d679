// uname, sysinfo, sysconf and gethostname agree with each other.
// expect: ok: system known
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "check.h"

int main(void) {
  struct utsname name;
  struct sysinfo info;
  char host[65], text[256] = "";
  CHECK(uname(&name) == 0 && strcmp(name.sysname, "Linux") == 0);
  CHECK(strcmp(name.machine, "x86_64") == 0);
  CHECK(gethostname(host, sizeof host) == 0 && strcmp(host, name.nodename) == 0);
  int fd = open("/proc/sys/kernel/osrelease", O_RDONLY);
  ssize_t size = read(fd, text, sizeof text);
  CHECK(size == (ssize_t)strlen(name.release) + 1);
  CHECK(memcmp(text, name.release, strlen(name.release)) == 0);
  CHECK(sysinfo(&info) == 0 && info.uptime > 0 && info.procs > 0 && info.mem_unit > 0);
  int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
  CHECK(page == 4096 && pages * page <= (int64_t)(info.totalram * info.mem_unit));
  CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1 && get_nprocs() >= 1);
  CHECK(sysconf(_SC_OPEN_MAX) >= 64 && sysconf(_SC_CLK_TCK) == 100);
  puts("ok: system known");
}
