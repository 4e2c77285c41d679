#include "shim/replay/memory_map.h"

#include <sys/mman.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>

namespace mx::replay {

std::vector<Region> read_map(std::istream& in) {
  std::vector<Region> map;
  for (std::string line; std::getline(in, line);) {
    Region r;
    char rights[5] = {};
    int path = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %*s %*s %n", &r.start,
                    &r.end, rights, &r.offset, &path) < 4 ||
        r.end <= r.start)
      continue;
    r.protection = (rights[0] == 'r' ? PROT_READ : 0) | (rights[1] == 'w' ? PROT_WRITE : 0) |
                   (rights[2] == 'x' ? PROT_EXEC : 0);
    r.shared = rights[3] == 's';
    if (path > 0) r.path = line.substr(static_cast<size_t>(path));
    map.push_back(r);
  }
  return map;
}

std::vector<Region> map_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/maps");
  return read_map(in);
}

}  // namespace mx::replay
