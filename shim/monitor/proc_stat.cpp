#include "shim/monitor/proc_stat.h"

#include <sstream>
#include <string>

#include "shim/monitor/proc_text.h"

namespace mx::monitor {

ProcStat proc_stat(pid_t pid) {
  return proc_stat(std::filesystem::path("/proc/" + std::to_string(pid)));
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
