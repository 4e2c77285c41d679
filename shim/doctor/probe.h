// A process that tries something which may be refused.
#pragma once
#include <sys/types.h>

namespace mx::doctor {

/// A child that waits (pause(2)) until it is killed. It lets any process trace it (Yama).
class Target {
 public:
  Target();
  ~Target();
  Target(const Target&) = delete;
  Target& operator=(const Target&) = delete;
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

/// Runs `attempt` in a child, which ends with what it returns: an errno, 0 for success. EFAULT if
/// the child is killed, EAGAIN if there can be none.
int try_in_child(int (*attempt)(void*), void* argument);

}  // namespace mx::doctor
