#include "shim/doctor/probe.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace mx::doctor {

namespace {

// Whatever happens to who asked, nothing stays.
void end_with(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(1);
}

int status_of(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, __WALL) < 0)
    if (errno != EINTR) return EFAULT;
  return WIFEXITED(status) ? WEXITSTATUS(status) : EFAULT;
}

}  // namespace

Target::Target() {
  int ready[2];
  if (pipe(ready) != 0) ready[0] = ready[1] = -1;
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ == 0) {
    end_with(parent);
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    close(ready[0]);
    close(ready[1]);
    for (;;) pause();
  }
  close(ready[1]);
  char byte;
  while (read(ready[0], &byte, 1) < 0 && errno == EINTR)
    continue;  // until the child has closed its end
  close(ready[0]);
}

Target::~Target() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  status_of(pid_);
}

int try_in_child(int (*attempt)(void*), void* argument) {
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) return EAGAIN;
  if (pid == 0) {
    end_with(parent);
    _exit(attempt(argument) & 0xff);
  }
  return status_of(pid);
}

}  // namespace mx::doctor
