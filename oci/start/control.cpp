#include "oci/start/control.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "oci/start/identity.hpp"
#include "oci/start/settings_json.hpp"

namespace mx::start {
namespace {

int open_folder(const std::string& path) {
  const int fd = open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw std::runtime_error("cannot open " + path + ": " + strerror(errno));
  return fd;
}

std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

bool detach(const std::string& folder) {
  return umount2(folder.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0;
}

}  // namespace

std::string Control::state_path(const std::string& file) const {
  return "/proc/self/fd/" + std::to_string(state_fd) + "/" + file;
}

Control take_control(const std::string& settings_path) {
  std::ifstream in(settings_path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot open " + settings_path + ": " + strerror(errno));
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  in.close();
  Control control;
  control.settings = container_settings_from_json(text);
  control.state_fd = open_folder(control.settings.state_folder);
  control.tables_fd =
      open((folder_of(settings_path) + "/sites").c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  for (const VersionSettings& version : control.settings.versions) {
    if (version.root != "/") control.root_fds[version.name] = open_folder(version.root);
    if (!version.seccomp_file.empty())
      control.filters[version.name] = read_filter(version.seccomp_file);
  }
  const bool settings_gone = detach(folder_of(settings_path));
  control.hidden = detach(control.settings.state_folder) && settings_gone;
  // After this /proc/self belongs to root in the *initial* user namespace's eyes: files under
  // /proc/self/fd stay usable by this process (a task may always look at itself).
  if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
    throw std::runtime_error(std::string("PR_SET_DUMPABLE: ") + strerror(errno));
  return control;
}

}  // namespace mx::start
