// A process's mappings, as /proc/PID/maps tells them.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

namespace mx::replay {

struct Region {
  uint64_t start = 0, end = 0;
  int protection = 0;  ///< PROT_*
  bool shared = false;
  uint64_t offset = 0;  ///< in the file
  std::string path;     ///< "", "[heap]", "/lib/…", "/memfd:…"
  bool of_file() const { return path.starts_with("/"); }
  bool in_memory() const {  ///< no file that is there later
    return path.starts_with("/memfd:") || shared_anonymous();
  }
  bool shared_anonymous() const { return shared && path.starts_with("/dev/zero"); }
  bool of_kernel() const { return path.starts_with("[v"); }  ///< [vdso], [vvar…], [vsyscall]
};

/// Lines that cannot be read are left out.
std::vector<Region> read_map(std::istream& in);
/// Of a process; empty if it may not be read.
std::vector<Region> map_of(pid_t pid);

}  // namespace mx::replay
