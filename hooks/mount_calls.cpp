#include "hooks/mount_calls.hpp"

#include <sys/mount.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <sstream>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::hooks {
namespace {

// mountinfo writes space, tab, newline and backslash as \ooo.
std::string unescaped(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size(); ++at) {
    if (text[at] == '\\' && at + 3 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(at + 1, 3), nullptr, 8));
      at += 3;
    } else {
      out += text[at];
    }
  }
  return out;
}

// In a user namespace flags that came with a mount are locked and must be repeated.
unsigned long flags_held(int place) {
  struct statvfs info {};
  if (fstatvfs(place, &info) != 0) return 0;
  unsigned long flags = 0;
  if (info.f_flag & ST_RDONLY) flags |= MS_RDONLY;
  if (info.f_flag & ST_NOSUID) flags |= MS_NOSUID;
  if (info.f_flag & ST_NODEV) flags |= MS_NODEV;
  if (info.f_flag & ST_NOEXEC) flags |= MS_NOEXEC;
  if (info.f_flag & ST_NOATIME) flags |= MS_NOATIME;
  if (info.f_flag & ST_NODIRATIME) flags |= MS_NODIRATIME;
  if (info.f_flag & ST_RELATIME) flags |= MS_RELATIME;
  return flags;
}

}  // namespace

std::string fd_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

void mount_new(int place, const std::string& type, unsigned long flags, const std::string& options,
               const std::string& what) {
  if (mount(type.c_str(), fd_path(place).c_str(), type.c_str(), flags, options.c_str()) != 0)
    throw oci::system_failure("cannot mount " + type + " at " + what, errno);
}

void bind(int source, int place, bool with_submounts, const std::string& what) {
  const unsigned long flags = MS_BIND | (with_submounts ? MS_REC : 0);
  if (mount(fd_path(source).c_str(), fd_path(place).c_str(), nullptr, flags, nullptr) != 0)
    throw oci::system_failure("cannot bind " + what, errno);
}

void add_flags(int place, unsigned long flags, const std::string& what) {
  if (mount(nullptr, fd_path(place).c_str(), nullptr,
            MS_BIND | MS_REMOUNT | flags | flags_held(place), nullptr) != 0)
    throw oci::system_failure("cannot change the flags of " + what, errno);
}

std::vector<std::string> mounts_below(const std::string& folder) {
  std::istringstream lines(oci::read_file("/proc/self/mountinfo"));
  std::vector<std::string> found;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string skip, point;
    fields >> skip >> skip >> skip >> skip >> point;
    point = unescaped(point);
    if (point != folder && oci::is_below(point, folder))
      found.push_back(point.substr(folder.size()));
  }
  // A parent sorts before what lies below it.
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

}  // namespace mx::hooks
