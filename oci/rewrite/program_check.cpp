#include "oci/rewrite/program_check.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <vector>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/rewrite.hpp"

namespace mx::oci {
namespace {

std::vector<std::string> candidates(const start::VersionSettings& version) {
  const std::string& name = version.args[0];
  if (name.starts_with("/")) return {name};
  if (name.find('/') != std::string::npos) return {version.cwd + "/" + name};
  std::vector<std::string> out;
  for (const std::string& variable : version.env) {
    if (!variable.starts_with("PATH=")) continue;
    const std::string list = variable.substr(5);
    for (size_t at = 0; at <= list.size();) {
      const size_t end = std::min(list.find(':', at), list.size());
      const std::string folder = list.substr(at, end - at);
      out.push_back((folder.starts_with("/") ? folder : version.cwd + "/" + folder) + "/" + name);
      at = end + 1;
    }
  }
  return out;
}

bool is_program(int root, const std::string& path) {
  const ScopedFd fd = open_in_root(root, path, O_PATH);
  struct stat info {};
  return fd.valid() && fstat(fd.get(), &info) == 0 && S_ISREG(info.st_mode) &&
         (info.st_mode & 0111) != 0;
}

// Links in the tree may lead anywhere, so a mount anywhere but at the usual places keeps us unsure.
bool may_be_in_a_mount(const Json& original, const std::vector<std::string>& paths) {
  for (const Json& mount : array_at(original, "mounts")) {
    const std::string destination = string_at(mount, "destination", "");
    for (const std::string& path : paths)
      if (is_below(path, destination)) return true;
  }
  return false;
}

}  // namespace

std::string find_program_in(int root, const start::VersionSettings& version) {
  for (const std::string& path : candidates(version))
    if (is_program(root, path)) return path;
  return "";
}

bool program_is_missing(const Json& original, const start::ContainerSettings& settings,
                        const ContainerState& state, const std::optional<StoredImage>& image) {
  for (const start::VersionSettings& version : settings.versions) {
    const bool is_first = version.name == state.first;
    if (!is_first && !image) continue;  // a volume: the hook sees it
    const auto path = is_first ? rootfs_of(original, state.bundle) : image->rootfs;
    const ScopedFd root(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root.valid()) {
      if (is_first) return true;  // the inner runtime's own error about the root
      throw Failure("the image's tree " + path.string() + " is gone");
    }
    if (!find_program_in(root.get(), version).empty() ||
        may_be_in_a_mount(original, candidates(version)))
      continue;
    if (is_first) return true;
    throw Failure(state.source + " has no program " + version.args[0]);
  }
  return false;
}

}  // namespace mx::oci
