// A process all of whose threads are held under ptrace: their registers as the program has them.
#pragma once
#include <sys/types.h>

#include <vector>

#include "recovery/transplant.h"

namespace mx::monitor {

/// Holds the threads of a process for as long as it lives. A thread that stands in the agent is
/// told by the registers with which the program goes on.
class Stopped {
 public:
  explicit Stopped(pid_t pid);
  ~Stopped();
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;
  /// False: a thread could not be traced.
  bool good() const { return good_; }
  /// In: for recovery::Request. What is changed in them takes effect with write_back().
  std::vector<recovery::ThreadState>& threads() { return threads_; }
  /// False: registers could not be written.
  bool write_back();

 private:
  struct Place {
    uint64_t regs = 0;  ///< address of the agent's Regs; 0: the thread stands in the program
  };
  bool interrupt(pid_t tid);
  bool read_state(pid_t tid);

  pid_t pid_;
  bool good_ = true;
  std::vector<pid_t> held_;
  std::vector<recovery::ThreadState> threads_;
  std::vector<Place> places_;
};

}  // namespace mx::monitor
