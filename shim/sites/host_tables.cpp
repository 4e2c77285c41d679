#include "host_tables.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>

#include "mapped_file.h"
#include "site_cache.h"

namespace mx::sites {

std::string identity_of(const struct stat& status) {
  const auto whole = [](const timespec& time) {
    return static_cast<long long>(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
  };
  char text[128];
  std::snprintf(text, sizeof text, "%lx-%lx-%llx-%llx.v%u",
                static_cast<unsigned long>(status.st_ino),
                static_cast<unsigned long>(status.st_size),
                static_cast<unsigned long long>(whole(status.st_mtim)),
                static_cast<unsigned long long>(whole(status.st_ctim)), kTableVersion);
  return text;
}

std::optional<TableBytes> read_host_table(int directory, int fd) {
  struct stat status {};
  if (directory < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  const std::string name = identity_of(status) + ".table";
  const int table = openat(directory, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (table < 0) return std::nullopt;
  std::optional<TableBytes> found;
  {
    const auto file = MappedFile::map(table);
    if (file.ok() && valid_table(file.value().bytes())) found = TableBytes(file.value().bytes());
  }
  close(table);
  return found;
}

}  // namespace mx::sites
