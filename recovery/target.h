// A process that stands still, as the transplant engine sees it: memory, and calls made in it.
//
// Two ways in: PtraceTarget here (a thread of the process is stopped under ptrace), or an own one
// (an agent parked in the process does the calls on request).
#pragma once
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

namespace mx::recovery {

class Target {
 public:
  virtual ~Target() = default;
  virtual pid_t pid() const = 0;
  /// All of it or nothing. Needs the right to trace the process, not that it is traced.
  virtual bool read(uint64_t at, void* to, size_t size) const;
  /// Writes through /proc/PID/mem: read-only and executable pages too (they become private copies).
  virtual bool write(uint64_t at, const void* from, size_t size);
  /// One system call in the process. `result` is the kernel's (-4095…-1: an error). False: it could
  /// not be made.
  virtual bool system_call(long number, const uint64_t (&arguments)[6], uint64_t& result) = 0;
  /// Calls a function of the program that makes no system calls and does not wait. False: it could
  /// not be called or did not return; then the process is as it was before, apart from what the
  /// function has done. Used once, to make unwinding data of C++ code known
  /// (__register_frame_info).
  virtual bool function_call(uint64_t function, uint64_t first, uint64_t second) = 0;
};

/// Waits until the traced thread has stopped. False: it
/// has ended; its status is left for whoever reaps it.
bool wait_for_stop(pid_t tid, int* signal = nullptr);

/// REQUIRES: the calling thread traces thread `tid` of the process, which is in a ptrace stop
/// outside a system call (or at the exit of one); the other threads stand still. Every call leaves
/// the registers as they were.
class PtraceTarget : public Target {
 public:
  /// `syscall_instruction`: address of a `syscall` instruction in the process that is let through
  /// (in the agent's code, or with `cookie`, which goes into the sixth argument of calls that have
  /// a free one). `scratch_stack`: top of a free stack of at least 8 KiB for function_call(); 0:
  /// below the thread's own stack pointer.
  PtraceTarget(pid_t pid, pid_t tid, uint64_t syscall_instruction, uint64_t cookie = 0,
               uint64_t scratch_stack = 0);
  /// Signals that arrived during the calls are sent to the process again.
  ~PtraceTarget() override;
  PtraceTarget(const PtraceTarget&) = delete;
  PtraceTarget& operator=(const PtraceTarget&) = delete;
  pid_t pid() const override { return pid_; }
  bool system_call(long number, const uint64_t (&arguments)[6], uint64_t& result) override;
  bool function_call(uint64_t function, uint64_t first, uint64_t second) override;

 private:
  pid_t pid_, tid_;
  uint64_t syscall_, cookie_, stack_;
  uint64_t kill_later_ = 0;  // bit n: signal n
};

}  // namespace mx::recovery
