// A way through mx's filter for the monitor's own code between filter and execve: a `syscall`
// instruction inside the address range that the filter lets through.
#pragma once
#include <cstdint>

namespace mx::monitor {

class Gate {
 public:
  Gate() = default;
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;
  /// Maps the gate where the agent's text will stand (the next image takes its place). False:
  /// errno. It stays: to unmap it would interrupt the processors on which the process's other
  /// threads run, while the program starts (0.2 ms in a virtual machine).
  bool map();
  /// The system call `nr`; the kernel's result, an errno negated.
  long call(long nr, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) const {
    return enter_(nr, a, b, c, d, e, f);
  }
  /// From here on a system call outside the gate is made through it: a handler for SIGSYS, which
  /// lasts until execve. So code that knows nothing of the filter can run under it. Returns 0 or an
  /// errno. REQUIRES: map(), and a process of one thread (which may share its memory).
  int carry_trapped_calls() const;

 private:
  long (*enter_)(long nr, long a, long b, long c, long d, long e, long f) = nullptr;
};

}  // namespace mx::monitor
