// A small program that answers commands, and can be stopped while it waits for the next one.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "recovery/transplant.h"

namespace mx::recovery::test {

class ProgramUnderTest {
 public:
  /// Starts it and waits until it is ready.
  explicit ProgramUnderTest(const std::string& path);
  ~ProgramUnderTest();
  ProgramUnderTest(const ProgramUnderTest&) = delete;
  ProgramUnderTest& operator=(const ProgramUnderTest&) = delete;

  pid_t pid() const { return pid_; }
  /// Sends a command ("a3") and returns the line that
  /// answers it, without the command; "" when it has died.
  std::string ask(const std::string& command);
  /// Sends a command that is not answered at once.
  void send(const std::string& command);
  /// Sends one and returns when it has been read and the program waits for the next one.
  void start(const std::string& command);
  std::string line();
  /// Returns when it waits in the kernel for input.
  void wait_until_it_reads() const;

  /// Stops it (in the system call where it waits), calls `f(target, threads)`, lets it go on.
  template <class F>
  auto stopped(F f) {
    attach();
    PtraceTarget target(pid_, pid_, syscall_instruction());
    std::vector<ThreadState> threads{{pid_, registers(), false}};
    auto result = f(target, threads);
    detach();
    return result;
  }

 private:
  void attach() const;
  void detach() const;
  Registers registers() const;
  uint64_t syscall_instruction() const;
  pid_t pid_ = 0;
  int in_ = -1, out_ = -1;
  std::string buffer_;
};

}  // namespace mx::recovery::test
