#include "shim/monitor/process_watch.h"

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace mx::monitor {

ProcessWatch::~ProcessWatch() {
  for (const auto& [pid, fd] : descriptors_) close(fd);
}

bool ProcessWatch::watch(pid_t pid) {
  if (pid <= 1 || descriptors_.contains(pid)) return true;
  const auto fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));  // close-on-exec
  if (fd < 0) return errno != ESRCH;
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = fd;
  if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) {
    close(fd);
    return true;
  }
  descriptors_[pid] = fd;
  return true;
}

pid_t ProcessWatch::serve(int fd) {
  for (auto it = descriptors_.begin(); it != descriptors_.end(); ++it) {
    if (it->second != fd) continue;
    const pid_t pid = it->first;
    // Not by closing it alone: a process that the monitor has forked has it, too, and the event
    // would come again, under this number, which may be another one's by then.
    epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, nullptr);
    close(fd);
    descriptors_.erase(it);
    return pid;
  }
  return 0;
}

}  // namespace mx::monitor
