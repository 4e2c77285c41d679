#include "site_cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "host_tables.h"
#include "lock_entries.h"
#include "mapped_file.h"

namespace mx::sites {
namespace {

std::string cache_name(const ElfImage& image) {
  char text[64];
  std::string name;
  for (const uint8_t byte : image.build_id()) {
    std::snprintf(text, sizeof text, "%02x", byte);
    name += text;
  }
  if (name.empty()) {
    size_t size = 0;
    for (const Segment& code : image.code()) size += code.bytes.size();
    std::snprintf(text, sizeof text, "code-%016lx-%zx", code_hash(image), size);
    name = text;
  }
  return name + ".v" + std::to_string(kTableVersion) + ".sites";
}

/// Makes the directory and its parents, 0755. True if we can write there afterwards.
bool make_directory(const std::string& directory) {
  if (access(directory.c_str(), W_OK | X_OK) == 0) return true;
  std::error_code error;
  std::filesystem::path made;
  for (const auto& part : std::filesystem::path(directory)) {
    made /= part;
    if (std::filesystem::create_directory(made, error))
      std::filesystem::permissions(made, std::filesystem::perms(0755), error);
  }
  return access(directory.c_str(), W_OK | X_OK) == 0;
}

bool write_all(int fd, Bytes bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool trustworthy(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
         (status.st_uid == 0 || status.st_uid == geteuid()) && (status.st_mode & 022) == 0;
}

bool valid_site(const Site& site) {
  if (!(site.flags & kRewritable)) return site.reason != Reason::kNone;
  if ((site.len < 5 && site.stone < site.len) || site.len > kMaxRegion ||
      site.syscall_at + site.size > site.len || site.size < 2 || site.size > 3)
    return false;
  for (const uint8_t at : site.disp32_at)
    if (at != 0 && at + 4 > site.len) return false;
  return site.reason == Reason::kNone;
}

bool valid_entry(const LockEntry& entry) {
  if (entry.function >= kLockFunctionCount) return false;
  if (kLockFunctions[entry.function].kind == LockKind::kAddress) return entry.len == 0;
  if (entry.len < 5 || entry.len > kMaxEntry) return false;
  for (const uint8_t at : entry.disp32_at)
    if (at != 0 && at + 4 > entry.len) return false;
  return entry.short_branch == 0 || entry.short_branch + 2 == entry.len;
}

}  // namespace

bool valid_table(Bytes raw) {
  if (raw.size() < sizeof(SiteTable)) return false;
  const TableBytes copy(raw);
  if (!plausible(&copy.table(), raw.size())) return false;
  if (copy.table().checksum != table_checksum(raw)) return false;
  uint64_t free_from = 0;  // regions ascend and do not overlap
  uint32_t rewritable = 0;
  for (const Site& site : copy.sites()) {
    if (!valid_site(site) || site.offset < free_from) return false;
    free_from = uint64_t{site.offset} + site.len;
    rewritable += site.flags & kRewritable;
  }
  for (const LockEntry& entry : copy.lock_entries())
    if (!valid_entry(entry)) return false;
  free_from = 0;
  for (const Site& site : copy.counters()) {
    if (!valid_site(site) || site.offset < free_from) return false;
    free_from = uint64_t{site.offset} + site.len;
  }
  return rewritable == copy.table().rewritable;
}

SiteCache SiteCache::standard() {
  const std::string shared = "/var/cache/mx/sites";
  if (make_directory(shared)) return SiteCache(shared);
  const char* home = std::getenv("XDG_CACHE_HOME");
  if (home && home[0] == '/') return SiteCache(std::string(home) + "/mx/sites");
  return SiteCache("");
}

Result<TableBytes> SiteCache::lookup_or_find(const std::string& path) {
  const auto file = MappedFile::open(path);
  if (!file) return Error{file.error()};
  auto table = lookup_or_find(file.value().bytes());
  if (!table) return Error{path + ": " + table.error()};
  return table;
}

Result<TableBytes> SiteCache::lookup_or_find(int fd) {
  struct stat status {};
  const bool known = !directory_.empty() && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
  const std::string path = known ? directory_ + "/" + identity_of(status) + ".table" : "";
  TableBytes kept{Bytes{}};
  if (known && read(path, &kept)) {
    ++counts_.hits;
    return kept;
  }
  const auto file = MappedFile::map(fd);
  if (!file) return Error{file.error()};
  auto found = lookup_or_find(file.value().bytes());
  if (known && found && !write(path, found.value().bytes())) ++counts_.unwritten;
  return found;
}

Result<TableBytes> SiteCache::lookup_or_find(Bytes elf_file) {
  const auto image = ElfImage::parse(elf_file);
  if (!image) return Error{image.error()};
  if (directory_.empty()) return find_sites(image.value());
  const std::string path = directory_ + "/" + cache_name(image.value());
  TableBytes kept{Bytes{}};
  if (read(path, image.value(), &kept)) return kept;
  auto found = find_sites(image.value());
  if (found && !write(path, found.value().bytes())) ++counts_.unwritten;
  return found;
}

bool SiteCache::read(const std::string& path, TableBytes* table) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (fd < 0) return false;
  bool good = trustworthy(fd);
  if (good) {
    const auto file = MappedFile::map(fd);
    good = file.ok() && valid_table(file.value().bytes());
    if (good) *table = TableBytes(file.value().bytes());
  }
  close(fd);
  return good;
}

bool SiteCache::read(const std::string& path, const ElfImage& image, TableBytes* table) {
  if (access(path.c_str(), F_OK) != 0) {
    ++counts_.misses;
    return false;
  }
  const bool good = read(path, table) && table->table().code_hash == code_hash(image);
  ++(good ? counts_.hits : counts_.rejected);
  return good;
}

bool SiteCache::write(const std::string& path, Bytes bytes) {
  if (!make_directory(directory_)) return false;
  std::string temporary = path + "." + std::string(6, 'X');  // for mkostemp
  const int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return false;
  bool done = write_all(fd, bytes) && fchmod(fd, 0644) == 0;
  done = close(fd) == 0 && done;
  done = done && std::rename(temporary.c_str(), path.c_str()) == 0;
  if (!done) unlink(temporary.c_str());
  return done;
}

}  // namespace mx::sites
