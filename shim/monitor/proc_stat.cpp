#include "shim/monitor/proc_stat.h"

#include <dirent.h>

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include "shim/monitor/proc_text.h"

namespace mx::monitor {

namespace {
std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }
}  // namespace

ProcStat proc_stat(pid_t pid) { return proc_stat(std::filesystem::path(folder_of(pid))); }

ProcStat proc_stat_of_thread(pid_t pid, pid_t tid) {
  return proc_stat(std::filesystem::path(folder_of(pid) + "/task/" + std::to_string(tid)));
}

std::vector<pid_t> threads_of(pid_t pid) {
  std::vector<pid_t> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir((folder_of(pid) + "/task").c_str()),
                                                   closedir);
  while (const dirent* e = folder ? readdir(folder.get()) : nullptr)
    if (const pid_t tid = std::atoi(e->d_name)) found.push_back(tid);
  return found;
}

bool all_asleep(pid_t pid, const std::vector<pid_t>& threads) {
  return !threads.empty() && std::all_of(threads.begin(), threads.end(), [pid](pid_t tid) {
    return proc_stat_of_thread(pid, tid).state == 'S';
  });
}

ProcessorTime processor_time_of_thread(pid_t pid, pid_t tid) {
  ProcessorTime time;
  std::istringstream(
      proc_text("/proc/" + std::to_string(pid) + "/task/" + std::to_string(tid) + "/schedstat")) >>
      time.used >> time.waited;
  return time;
}

ProcStat proc_stat(const std::filesystem::path& folder) {
  const std::string text = proc_text(folder / "stat");
  // "pid (name) state …": the name may hold anything, so count from its last parenthesis.
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  // state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime
  ProcStat s;
  std::string skip;
  uint64_t user = 0, system = 0;
  fields >> s.state >> s.parent;
  for (int i = 0; i < 5; i++) fields >> skip;
  fields >> s.minor_faults >> skip >> skip >> skip >> user >> system;
  s.ticks = user + system;
  return s;
}

}  // namespace mx::monitor
