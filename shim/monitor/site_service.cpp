#include "shim/monitor/site_service.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>
#include <vector>

#include "shim/sites/host_tables.h"
#include "shim/sites/site_table.h"

namespace mx::monitor {

using namespace stream;

// A container has no cache of its own: it would stand among the files of the program.
SiteService::SiteService(const Arena& arena, bool container, int host_tables)
    : arena_(arena), cache_(container ? sites::SiteCache("") : sites::SiteCache::standard()), host_tables_(host_tables) {}

namespace {

// Whether the mapping holds exactly what the file says: another file may stand at its path now, and
// a program may have changed its code.
bool same_code(pid_t pid, uint64_t begin, uint64_t end, uint64_t offset, int fd) {
  std::vector<char> memory(64 * 1024), file(memory.size());
  for (uint64_t at = begin; at < end; at += memory.size()) {
    size_t n = std::min<uint64_t>(memory.size(), end - at);
    iovec local{memory.data(), n}, remote{reinterpret_cast<void*>(at), n};
    if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(n)) return false;
    ssize_t got = pread(fd, file.data(), n, offset + (at - begin));
    if (got < 0 || std::memcmp(memory.data(), file.data(), got) != 0) return false;
  }
  return true;
}

// The file that is mapped at `address`, opened; -1 if there is none or its code is not the same.
int open_mapped(pid_t pid, uint64_t address) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::string line;
  while (std::getline(maps, line)) {
    std::istringstream in(line);
    uint64_t begin, end, offset;
    char dash;
    std::string perms, dev, ino, path;
    if (!(in >> std::hex >> begin >> dash >> end >> perms >> offset >> dev >> ino)) continue;
    if (address < begin || address >= end) continue;
    std::getline(in >> std::ws, path);
    // The kernel prints paths as this process sees them; in another mount namespace as that one does.
    for (const std::string& root : {std::string(), "/proc/" + std::to_string(pid) + "/root"}) {
      int fd = open((root + path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (fd >= 0 && same_code(pid, begin, end, offset, fd)) return fd;
      if (fd >= 0) close(fd);
    }
    return -1;
  }
  return -1;
}

}  // namespace

void SiteService::serve(uint32_t index, pid_t pid, uint64_t address) {
  if (index >= kMaxSiteTables) return;
  SiteEntry& e = arena_.control().sites[index];
  if (e.state.load() != 1) return;
  uint32_t answer = 3;
  int fd = open_mapped(pid, address);
  if (fd >= 0) {
    auto made = sites::read_host_table(host_tables_, fd);
    if (!made)
      if (auto found = cache_.lookup_or_find(fd)) made = found.value();
    close(fd);
    if (made) {
      auto bytes = made->bytes();
      if (used_ + bytes.size() <= kSitesSize) {
        std::memcpy(arena_.at(kSitesOffset + used_), bytes.data(), bytes.size());
        e.offset = used_;
        e.size = bytes.size();
        used_ += (bytes.size() + 63) & ~size_t{63};
        answer = 2;
      }
    }
  }
  e.state.store(answer, std::memory_order_release);
  syscall(SYS_futex, &e.state, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0);
}

}  // namespace mx::monitor
