// A child with its own UTS and mount namespaces changes name and mounts for itself alone.
// expect: ok: own namespaces
#include <sys/mount.h>

#include "check.h"

int main(void) {
  char before[65], name[65];
  CHECK(gethostname(before, sizeof before) == 0 && mkdir("mnt", 0755) == 0);
  put_file("mnt/outside", "outside");
  pid_t child = fork();
  if (child == 0) {
    CHECK(unshare(CLONE_NEWUTS | CLONE_NEWNS) == 0);
    CHECK(sethostname("other-name", 10) == 0 && gethostname(name, sizeof name) == 0);
    CHECK(strcmp(name, "other-name") == 0);
    CHECK(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0);
    CHECK(mount("tmpfs", "mnt", "tmpfs", 0, "size=1m") == 0);
    put_file("mnt/inside", "inside");
    CHECK_FAILS(open("mnt/outside", O_RDONLY), ENOENT);
    _exit(0);
  }
  CHECK(wait_for(child) == 0);
  CHECK(gethostname(name, sizeof name) == 0 && strcmp(name, before) == 0);
  CHECK(file_is("mnt/outside", "outside"));
  CHECK_FAILS(open("mnt/inside", O_RDONLY), ENOENT);
  CHECK_FAILS(unshare(0x12345), EINVAL);
  puts("ok: own namespaces");
}
