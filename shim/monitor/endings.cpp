#include "shim/monitor/endings.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mx::monitor {

Endings::~Endings() {
  for (const auto& [pid, fd] : watched_)
    if (fd >= 0) close(fd);
}

void Endings::watch(pid_t pid) {
  const auto [entry, fresh] = watched_.try_emplace(pid, -1);
  if (!fresh) return;
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  if (fd < 0) return;
  entry->second = fd;
  epoll_event e{};
  e.events = EPOLLIN;
  e.data.fd = fd;
  epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e);
}

std::vector<pid_t> Endings::ended() {
  std::vector<pid_t> gone;
  for (auto it = watched_.begin(); it != watched_.end();) {
    pollfd p{it->second, POLLIN, 0};
    if (it->second >= 0 && poll(&p, 1, 0) == 0) {
      ++it;
      continue;
    }
    gone.push_back(it->first);
    if (it->second >= 0) close(it->second);
    it = watched_.erase(it);
  }
  return gone;
}

}  // namespace mx::monitor
