// /proc/PID/stat (proc(5)), of any process or, by its folder, of a thread.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <vector>

namespace mx::monitor {

struct ProcStat {
  char state = 0;  ///< as in proc(5); 0: there is no such process (any more)
  pid_t parent = 0;
  uint64_t minor_faults = 0;
  uint64_t ticks = 0;  ///< of the clock (_SC_CLK_TCK), in user and kernel mode

  /// Has not ended: what may be waited for still has an entry.
  bool lives() const { return state && state != 'Z' && state != 'X'; }
};

ProcStat proc_stat(pid_t pid);
/// `folder`: /proc/PID, or /proc/PID/task/TID.
ProcStat proc_stat(const std::filesystem::path& folder);
ProcStat proc_stat_of_thread(pid_t pid, pid_t tid);

/// What a thread has had of processors, in nanoseconds
/// (schedstat of proc(5)); 0 of one that has ended.
struct ProcessorTime {
  uint64_t used = 0, waited = 0;  ///< on one; for one
};
ProcessorTime processor_time_of_thread(pid_t pid, pid_t tid);

/// Kernel ids of the process's threads; those of one that ends meanwhile, as far as they could be
/// read. Does not throw.
std::vector<pid_t> threads_of(pid_t pid);
/// All of these threads of the process sleep, and there are some.
bool all_asleep(pid_t pid, const std::vector<pid_t>& threads);

}  // namespace mx::monitor
