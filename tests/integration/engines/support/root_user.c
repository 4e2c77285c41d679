/* Uses the file system in every way that may concern a root tree of a version's own, by plain
   system calls and one spelling of each (two libcs buffer differently, and one says open where the
   other says openat). "own" lines are what the image says; everything else must be equal in both
   versions. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void say(const char* what, const char* text) {
  char line[512];
  size_t n = (size_t)snprintf(line, sizeof line, "%s %s\n", what, text);
  if (write(1, line, n) < 0) _exit(3);
}

static void show(const char* what, const char* path) {
  char text[256] = {0};
  int fd = openat(AT_FDCWD, path, O_RDONLY);
  if (fd < 0) {
    say(what, errno == ENOENT ? "missing" : "error");
    return;
  }
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  text[n > 0 ? n : 0] = 0;
  text[strcspn(text, "\n")] = 0;
  say(what, text);
}

static void put(const char* path, const char* text) {
  int fd = openat(AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) say("cannot write", path);
  close(fd);
}

static int by_name(const void* a, const void* b) {
  return strcmp(*(char* const*)a, *(char* const*)b);
}

struct entry {
  unsigned long inode, offset;
  unsigned short size;
  unsigned char type;
  char name[];
};

static void list(const char* what, const char* path) {
  char* names[64];
  char line[400] = "", buffer[4096];
  int n = 0, folder = openat(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  if (folder < 0) {
    say(what, "missing");
    return;
  }
  for (long got; (got = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0;)
    for (long at = 0; at < got && n < 64; at += ((struct entry*)(buffer + at))->size) {
      const char* name = ((struct entry*)(buffer + at))->name;
      if (name[0] != '.') names[n++] = strdup(name);
    }
  close(folder);
  qsort(names, (size_t)n, sizeof *names, by_name);
  for (int i = 0; i < n; i++) strcat(strcat(line, names[i]), " ");
  say(what, line);
}

static void there(const char* what, const char* path) {
  struct stat st;
  say(what, syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) ? "missing"
            : S_ISDIR(st.st_mode)                           ? "folder"
                                                            : "file");
}

static void own(void) {
  show("own", "/app/name");
  show("own link", "/app/link");
  list("own list", "/app/parts");
  chdir("/app");
  show("own relative", "parts/a");
  there("own stat", "/app/parts/c");
  int folder = openat(AT_FDCWD, "/app/parts", O_RDONLY | O_DIRECTORY);
  struct stat st;
  say("own fstatat", fstatat(folder, "c", &st, 0) ? "missing" : "file");
  close(folder);
}

static void written(void) {
  put("/srv/kept", "kept\n");
  show("written", "/srv/kept");
  show("by a link", "/alias/kept");
  list("listing", "/srv");
  mkdir("/srv/made", 0700);
  chdir("/srv/made");
  put("x", "relative\n");
  show("relative", "x");
  rename("x", "y");
  there("renamed from", "x");
  show("renamed to", "/srv/made/y");
  unlink("y");
  there("unlinked", "/srv/made/y");
  symlink("/srv/kept", "/srv/link");
  show("symlink", "/srv/link");
  put("/app/name2", "over\n");
  show("overwritten", "/app/name2");
  unlink("/app/gone");
  show("gone", "/app/gone");
  rename("/app/old-name", "/app/new-name");
  there("image folder renamed", "/app/new-name");
  there("not there any more", "/app/old-name");
  put("/vol/out", "volume\n");
  show("volume", "/vol/out");
  show("volume below usr", "/usr/share/shared/file");
  there("dev", "/dev/null");
}

int main(void) {
  char line[128];
  own();
  written();
  for (;;) {
    say("ready", "");
    ssize_t n = read(0, line, sizeof line);
    if (n <= 0) return 5;
    own();
    put("/srv/made/later", "later\n");
    show("later", "/srv/made/later");
  }
}
