#include "oci/base/files.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstdio>
#include <vector>

#include "oci/base/failure.hpp"

namespace mx::oci {
namespace {

std::string read_all(int fd, const std::string& name, size_t limit) {
  std::string bytes;
  struct stat info {};
  if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
    if (static_cast<size_t>(info.st_size) > limit)
      throw Failure(name + " is larger than " + std::to_string(limit) + " bytes");
    bytes.reserve(static_cast<size_t>(info.st_size));
  }
  char buffer[65536];
  for (;;) {
    const ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_failure("cannot read " + name, errno);
    if (got == 0) return bytes;
    bytes.append(buffer, static_cast<size_t>(got));
    if (bytes.size() > limit)
      throw Failure(name + " is larger than " + std::to_string(limit) + " bytes");
  }
}

void write_all(int fd, std::string_view bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t put = write(fd, bytes.data(), bytes.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) throw system_failure("cannot write " + name, errno);
    bytes.remove_prefix(static_cast<size_t>(put));
  }
}

std::vector<std::string> parts_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

std::string read_file(const std::filesystem::path& path, size_t limit) {
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) throw system_failure("cannot open " + path.string(), errno);
  return read_all(fd.get(), path.string(), limit);
}

std::optional<std::string> read_file_if_there(const std::filesystem::path& path, size_t limit) {
  ScopedFd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid() && (errno == ENOENT || errno == ENOTDIR)) return std::nullopt;
  if (!fd.valid()) throw system_failure("cannot open " + path.string(), errno);
  return read_all(fd.get(), path.string(), limit);
}

namespace {

void replace(const std::filesystem::path& path, std::string_view bytes, mode_t mode, bool durable) {
  struct stat before {};
  const bool existed = stat(path.c_str(), &before) == 0;
  std::string temporary = path.string() + ".mx.XXXXXX";
  ScopedFd fd(mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) throw system_failure("cannot create a file beside " + path.string(), errno);
  try {
    write_all(fd.get(), bytes, temporary);
    if (fchmod(fd.get(), existed ? before.st_mode & 07777 : mode) != 0 ||
        (existed && fchown(fd.get(), before.st_uid, before.st_gid) != 0) ||
        (durable && fsync(fd.get()) != 0) || rename(temporary.c_str(), path.c_str()) != 0)
      throw system_failure("cannot replace " + path.string(), errno);
  } catch (...) {
    unlink(temporary.c_str());
    throw;
  }
}

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  replace(path, bytes, mode, true);
}

void replace_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  replace(path, bytes, mode, false);
}

void append_to_file(const std::filesystem::path& path, std::string_view bytes, mode_t mode) {
  ScopedFd fd(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode));
  if (!fd.valid()) throw system_failure("cannot open " + path.string(), errno);
  write_all(fd.get(), bytes, path.string());
}

ScopedFd open_in_root(int root, const std::string& path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    // EAGAIN: a rename ran beside the walk and the kernel cannot vouch for it (openat2(2)).
    if (fd < 0 && errno == EAGAIN && attempt < 100) continue;
    return ScopedFd(static_cast<int>(fd));
  }
}

ScopedFd make_folders_in_root(int root, const std::string& path) {
  std::string sofar = "/";
  ScopedFd here = open_in_root(root, sofar, O_PATH | O_DIRECTORY);
  for (const std::string& part : parts_of(path)) {
    const std::string next = sofar + (sofar == "/" ? "" : "/") + part;
    ScopedFd fd = open_in_root(root, next, O_PATH | O_DIRECTORY);
    if (!fd.valid() && errno == ENOENT) {
      // A link to a folder that does not exist yet fails here with EEXIST and is reported.
      if (mkdirat(here.get(), part.c_str(), 0755) != 0 && errno != EEXIST)
        throw system_failure("cannot create the folder " + next, errno);
      fd = open_in_root(root, next, O_PATH | O_DIRECTORY);
    }
    if (!fd.valid()) throw system_failure("cannot open the folder " + next, errno);
    here = std::move(fd);
    sofar = next;
  }
  if (!here.valid()) throw system_failure("cannot open the folder " + path, errno);
  return here;
}

std::string clean_absolute(const std::string& path, const std::string& name_of_setting) {
  if (path.empty() || path[0] != '/')
    throw Failure(name_of_setting + ": \"" + path + "\" is not an absolute path");
  std::string clean;
  for (const std::string& part : parts_of(path)) {
    if (part == ".") continue;
    if (part == "..") throw Failure(name_of_setting + ": \"" + path + "\" holds \"..\"");
    clean += "/" + part;
  }
  return clean.empty() ? "/" : clean;
}

bool is_below(std::string_view path, std::string_view folder) {
  if (folder == "/") return !path.empty() && path[0] == '/';
  if (!path.starts_with(folder)) return false;
  return path.size() == folder.size() || path[folder.size()] == '/';
}

}  // namespace mx::oci
