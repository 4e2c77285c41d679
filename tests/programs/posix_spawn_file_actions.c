// posix_spawn redirects descriptors, changes group and signal mask as told.
// expect: ok: file actions
#include <spawn.h>

#include "check.h"

int main(void) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t defaults;
  char* arguments[] = {(char*)"sh", (char*)"-c", (char*)"cat; echo more; kill -PIPE $$", NULL};
  put_file("in", "input\n");
  signal(SIGPIPE, SIG_IGN);
  sigemptyset(&defaults);
  sigaddset(&defaults, SIGPIPE);
  CHECK(posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attributes) == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 0, "in", O_RDONLY, 0) == 0);
  CHECK(posix_spawn_file_actions_addopen(&actions, 1, "out", O_WRONLY | O_CREAT, 0600) == 0);
  CHECK(posix_spawn_file_actions_adddup2(&actions, 1, 2) == 0);
  CHECK(posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF) == 0);
  CHECK(posix_spawnattr_setsigdefault(&attributes, &defaults) == 0);
  pid_t child;
  CHECK(posix_spawn(&child, "/bin/sh", &actions, &attributes, arguments, NULL) == 0);
  CHECK(getpgid(child) == child);
  CHECK(wait_for(child) == 128 + SIGPIPE);
  CHECK(file_is("out", "input\nmore\n"));
  puts("ok: file actions");
}
