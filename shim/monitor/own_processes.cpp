#include "shim/monitor/own_processes.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

namespace mx::monitor {

namespace {

struct ArenaFile {
  int number = -1;
  dev_t device = 0;
  ino_t inode = 0;
};
ArenaFile arena_file;

bool is_child(pid_t pid) {
  siginfo_t info{};
  return waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT | __WALL) == 0;
}

bool has_arena(pid_t pid) {
  struct stat there {};
  const std::string link =
      "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(arena_file.number);
  return stat(link.c_str(), &there) == 0 && there.st_dev == arena_file.device &&
         there.st_ino == arena_file.inode;
}

}  // namespace

void know_own_processes(int arena_fd, int reserved_fd) {
  struct stat file {};
  if (fstat(arena_fd, &file) == 0) arena_file = {reserved_fd, file.st_dev, file.st_ino};
}

bool is_own_process(pid_t pid) {
  return pid > 1 && pid != getpid() && (is_child(pid) || has_arena(pid));
}

int signal_own(pid_t pid, int signal) { return is_own_process(pid) ? kill(pid, signal) : -1; }

}  // namespace mx::monitor
