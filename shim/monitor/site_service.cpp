#include "shim/monitor/site_service.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <vector>

#include "shim/sites/host_tables.h"
#include "shim/sites/site_table.h"

namespace mx::monitor {

using namespace stream;

// A container has no cache of its own: it would stand among the files of the program.
SiteService::SiteService(const Arena& arena, bool container, int host_tables)
    : arena_(arena),
      cache_(container ? sites::SiteCache("") : sites::SiteCache::standard()),
      host_tables_(host_tables) {}

namespace {

struct Mapping {
  uint64_t begin = 0, end = 0, offset = 0, inode = 0;
  unsigned major = 0, minor = 0;
  std::string path;
};

bool same_bytes(pid_t pid, const Mapping& m, uint64_t from, uint64_t to, int fd) {
  std::vector<char> memory(std::min<uint64_t>(64 * 1024, to - from)), file(memory.size());
  for (uint64_t at = from; at < to; at += memory.size()) {
    size_t n = std::min<uint64_t>(memory.size(), to - at);
    iovec local{memory.data(), n}, remote{reinterpret_cast<void*>(at), n};
    if (process_vm_readv(pid, &local, 1, &remote, 1, 0) != static_cast<ssize_t>(n)) return false;
    ssize_t got = pread(fd, file.data(), n, m.offset + (at - m.begin));
    if (got < 0 || std::memcmp(memory.data(), file.data(), got) != 0) return false;
  }
  return true;
}

// What the kernel says of each page of the mapping; empty: it does not say.
std::vector<uint64_t> page_flags(pid_t pid, const Mapping& m) {
  std::vector<uint64_t> flags((m.end - m.begin) / kPage);
  const size_t size = flags.size() * sizeof flags[0];
  const int fd = open(("/proc/" + std::to_string(pid) + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC);
  const bool good =
      fd >= 0 && pread(fd, flags.data(), size, m.begin / kPage * 8) == static_cast<ssize_t>(size);
  if (fd >= 0) close(fd);
  return good ? flags : std::vector<uint64_t>();
}

// Whether the mapping holds exactly what the file says: another file may stand at its path now, and
// a program may have changed its code. Of the mapped file itself only the pages that are the
// process's own have to be read.
bool same_code(pid_t pid, const Mapping& m, int fd) {
  constexpr uint64_t kOfFile = 1ULL << 61, kSwapped = 1ULL << 62, kPresent = 1ULL << 63;
  struct stat status {};
  const bool itself = fstat(fd, &status) == 0 && status.st_ino == m.inode &&
                      major(status.st_dev) == m.major && minor(status.st_dev) == m.minor;
  const std::vector<uint64_t> flags = itself ? page_flags(pid, m) : std::vector<uint64_t>();
  if (flags.empty()) return same_bytes(pid, m, m.begin, m.end, fd);
  for (size_t i = 0; i < flags.size(); i++) {
    const bool own = (flags[i] & (kPresent | kSwapped)) && !(flags[i] & kOfFile);
    if (own && !same_bytes(pid, m, m.begin + i * kPage, m.begin + (i + 1) * kPage, fd))
      return false;
  }
  return true;
}

// "begin-end perms offset major:minor inode path"
bool parse(const std::string& line, Mapping& m) {
  int path = 0;
  if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx %x:%x %lu %n", &m.begin, &m.end, &m.offset,
                  &m.major, &m.minor, &m.inode, &path) < 6)
    return false;
  m.path = line.substr(static_cast<size_t>(path));
  return true;
}

// The file that is mapped at `address`, opened; -1 if there is none or its code is not the same.
int open_mapped(pid_t pid, uint64_t address) {
  std::ifstream maps("/proc/" + std::to_string(pid) + "/maps");
  std::string line;
  while (std::getline(maps, line)) {
    Mapping m;
    if (!parse(line, m) || address < m.begin || address >= m.end) continue;
    // The kernel prints paths as this process sees them;
    // in another mount namespace as that one does.
    for (const std::string& root : {std::string(), "/proc/" + std::to_string(pid) + "/root"}) {
      int fd = open((root + m.path).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      if (fd >= 0 && same_code(pid, m, fd)) return fd;
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
