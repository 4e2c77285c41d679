// Tells when processes end that are no children of this one: those of a program that has put itself into the background.
#pragma once
#include <sys/types.h>

#include <map>
#include <vector>

namespace mx::monitor {

class Endings {
 public:
  /// `epoll`: becomes readable when a process that is watched ends.
  explicit Endings(int epoll) : epoll_(epoll) {}
  ~Endings();
  Endings(const Endings&) = delete;
  Endings& operator=(const Endings&) = delete;

  /// Does nothing for a process that is watched already. One that has ended by now is among the next ended().
  void watch(pid_t pid);
  /// Those that have ended since the last call.
  std::vector<pid_t> ended();

 private:
  int epoll_;
  std::map<pid_t, int> watched_;  ///< pidfds; -1: it had ended before
};

}  // namespace mx::monitor
