// Tells of the end of processes that are not children of the monitor: of the program's own
// children, which may come back (docs/recovery.md), and of what a program leaves in the background.
#pragma once
#include <sys/types.h>

#include <map>

namespace mx::monitor {

class ProcessWatch {
 public:
  ProcessWatch() = default;
  ProcessWatch(const ProcessWatch&) = delete;
  ProcessWatch& operator=(const ProcessWatch&) = delete;
  ~ProcessWatch();
  void open(int epoll) { epoll_ = epoll; }
  /// Once more is no harm. False: there is no such process (any more).
  bool watch(pid_t pid);
  /// An event of the epoll descriptor. The process that has ended; 0: it is not one of these.
  pid_t serve(int fd);

 private:
  int epoll_ = -1;
  std::map<pid_t, int> descriptors_;
};

}  // namespace mx::monitor
