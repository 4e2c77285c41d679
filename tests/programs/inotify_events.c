// inotify reports creation, writing, moving and removal in order, with names.
// expect: ok: changes seen
#include <sys/inotify.h>

#include "check.h"

static int fd;

static void expect(uint32_t mask, const char* name) {
  static char buffer[4096] __attribute__((aligned(8)));
  static ssize_t size, at;
  if (at == size) size = read(fd, buffer, sizeof buffer), at = 0;
  CHECK(size > 0);
  struct inotify_event* event = (struct inotify_event*)(buffer + at);
  at += (ssize_t)(sizeof *event + event->len);
  CHECK(event->mask == mask && strcmp(event->len ? event->name : "", name) == 0);
}

int main(void) {
  fd = inotify_init1(IN_CLOEXEC);
  CHECK(mkdir("dir", 0755) == 0);
  int watch = inotify_add_watch(fd, "dir", IN_CREATE | IN_CLOSE_WRITE | IN_MOVE | IN_DELETE);
  CHECK(fd == 3 && watch == 1);
  put_file("dir/a", "text");
  CHECK(rename("dir/a", "dir/b") == 0 && unlink("dir/b") == 0 && mkdir("dir/sub", 0755) == 0);
  expect(IN_CREATE, "a");
  expect(IN_CLOSE_WRITE, "a");
  expect(IN_MOVED_FROM, "a");
  expect(IN_MOVED_TO, "b");
  expect(IN_DELETE, "b");
  expect(IN_CREATE | IN_ISDIR, "sub");
  CHECK(inotify_rm_watch(fd, watch) == 0);
  expect(IN_IGNORED, "");
  CHECK_FAILS(inotify_rm_watch(fd, watch), EINVAL);
  CHECK_FAILS(inotify_add_watch(fd, "missing", IN_CREATE), ENOENT);
  puts("ok: changes seen");
}
