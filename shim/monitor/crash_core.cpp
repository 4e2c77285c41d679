#include "shim/monitor/crash_core.h"

#include <sys/ptrace.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "recovery/target.h"
#include "shim/monitor/proc_stat.h"
#include "shim/replay/core_file.h"
#include "shim/stream/history.h"

namespace mx::monitor {

using namespace stream;
namespace fs = std::filesystem;

namespace {

constexpr uint64_t kMostMemory = uint64_t{4} << 30;

// Where the program faulted: the thread itself stands in the agent by now.
void as_the_program_stood(replay::ThreadRegisters& t, const SavedRegisters& r) {
  user_regs_struct& g = t.general;
  g.r15 = r.r15, g.r14 = r.r14, g.r13 = r.r13, g.r12 = r.r12, g.r11 = r.r11, g.r10 = r.r10;
  g.r9 = r.r9, g.r8 = r.r8, g.rbp = r.rbp, g.rbx = r.rbx, g.rax = r.rax, g.rcx = r.rcx;
  g.rdx = r.rdx, g.rsi = r.rsi, g.rdi = r.rdi, g.rip = r.rip, g.rsp = r.rsp;
  g.eflags = r.eflags;
  g.orig_rax = ~0ull;
}

// All threads of a process, stopped as long as this lives.
class StoppedThreads {
 public:
  explicit StoppedThreads(pid_t pid) {
    for (const pid_t tid : threads_of(pid)) {
      if (ptrace(PTRACE_SEIZE, tid, 0, 0) != 0) throw std::runtime_error("it cannot be traced");
      tids.push_back(tid);
      if (ptrace(PTRACE_INTERRUPT, tid, 0, 0) != 0 || !recovery::wait_for_stop(tid))
        throw std::runtime_error("it could not be stopped");
    }
  }
  ~StoppedThreads() {
    for (const pid_t tid : tids) ptrace(PTRACE_DETACH, tid, 0, 0);
  }
  StoppedThreads(const StoppedThreads&) = delete;
  StoppedThreads& operator=(const StoppedThreads&) = delete;
  std::vector<pid_t> tids;
};

void write(const Crash& crash, const std::string& path) {
  const StoppedThreads stopped(crash.pid);
  const SavedRegisters saved = crash.registers_of(crash.version);
  std::vector<replay::ThreadRegisters> threads;
  for (const pid_t tid : stopped.tids) {
    replay::ThreadRegisters t = replay::registers_of(tid);
    const bool failed = tid == crash.tid;
    if (failed && saved.valid) as_the_program_stood(t, saved);
    if (failed) t.signal = crash.signal;
    threads.insert(failed ? threads.begin() : threads.end(), std::move(t));
  }
  replay::write_core(crash.pid, threads, path, kMostMemory);
}

}  // namespace

void write_crash_core(const Crash& crash, const std::string& folder) {
  const std::string part = folder + "/core.part";
  try {
    write(crash, part);
    fs::rename(part, folder + "/core");
  } catch (const std::exception& e) {
    std::error_code ignored;
    fs::remove(part, ignored);
    std::ofstream(folder + "/core.txt") << "no core file: " << e.what() << "\n";
  }
}

}  // namespace mx::monitor
