#include "hooks/second_root.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "hooks/mount_calls.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::hooks {
namespace {

using oci::Failure;
using oci::open_in_root;
using oci::ScopedFd;
using oci::system_failure;

ScopedFd open_tree_at(const std::string& path, const std::string& what) {
  ScopedFd fd(open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) throw system_failure("cannot open " + what, errno);
  return fd;
}

ScopedFd open_place(int root, const std::string& path) {
  ScopedFd fd = open_in_root(root, path, O_PATH);
  if (!fd.valid()) throw system_failure("cannot open " + path, errno);
  return fd;
}

bool is_folder(int fd) {
  struct stat info {};
  return fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
}

// An empty file to bind onto. A link that leads nowhere (images have /etc/resolv.conf → /run/…)
// gives way to a file; it is this container's own layer.
ScopedFd make_file(int root, const std::string& path) {
  ScopedFd there = open_in_root(root, path, O_PATH);
  if (there.valid()) return there;
  const size_t slash = path.rfind('/');
  ScopedFd folder = oci::make_folders_in_root(root, path.substr(0, slash));
  const std::string name = path.substr(slash + 1);
  unlinkat(folder.get(), name.c_str(), 0);
  const ScopedFd made(
      openat(folder.get(), name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644));
  if (!made.valid()) throw system_failure("cannot create " + path, errno);
  return open_place(root, path);
}

ScopedFd make_place(int root, const std::string& path, bool folder) {
  return folder ? oci::make_folders_in_root(root, path) : make_file(root, path);
}

void bind_host(const Plan& plan, int own, const std::string& host, const std::string& name,
               unsigned long flags) {
  const ScopedFd source = open_tree_at(host, host);
  const ScopedFd place = make_place(own, name, is_folder(source.get()));
  bind(source.get(), place.get(), false, plan.own_folder + name);
  add_flags(open_place(own, name).get(), flags, plan.own_folder + name);
}

ScopedFd open_rootfs(const Plan& plan) {
  return open_tree_at(plan.rootfs.string(), "the container's root " + plan.rootfs.string());
}

// Overlay's option string takes "," and ":" as separators.
std::string escaped(const std::string& path) {
  std::string out;
  for (const char c : path) {
    if (c == ',' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

// Links inside a volume are resolved inside it: the volume's content comes from an image.
ScopedFd open_in_volume(const Plan& plan, const ScopedFd& volume) {
  const std::string rest = plan.volume.substr(plan.volume_mount.size());
  return open_in_root(volume.get(), rest.empty() ? "/" : rest, O_PATH | O_DIRECTORY);
}

// What the second root's overlay lies on, uppermost first.
std::vector<ScopedFd> open_lowers(const Plan& plan, int rootfs) {
  std::vector<ScopedFd> lowers;
  if (!plan.lower.empty()) {
    lowers.push_back(open_tree_at(plan.lower, plan.lower));
    return lowers;
  }
  for (const std::string& layer : plan.volume_layers) {
    ScopedFd lower = open_in_volume(plan, open_tree_at(layer, layer));
    if (lower.valid()) lowers.push_back(std::move(lower));
  }
  if (plan.volume_layers.empty()) {
    ScopedFd lower = open_in_volume(plan, open_place(rootfs, plan.volume_mount));
    if (lower.valid()) lowers.push_back(std::move(lower));
  }
  if (lowers.empty())
    throw system_failure(plan.setting + ": cannot open the folder " + plan.volume, errno);
  return lowers;
}

void mount_overlay(const Plan& plan, int rootfs, int place) {
  const std::vector<ScopedFd> lowers = open_lowers(plan, rootfs);
  std::string options = "lowerdir=";
  for (const ScopedFd& lower : lowers)
    options += (&lower == &lowers[0] ? "" : ":") + fd_path(lower.get());
  options +=
      ",upperdir=" + escaped(plan.upper + "/upper") + ",workdir=" + escaped(plan.upper + "/work");
  if (plan.user_namespace) options += ",userxattr";
  if (!plan.mount_label.empty()) options += ",context=\"" + plan.mount_label + "\"";
  mount_new(place, "overlay", 0, options, plan.own_folder + "/" + plan.second);
}

// Every mount of the first root under the second. Destinations are resolved inside the second root:
// with `/var/run → /run` in its image the mount must land on its own /run.
void copy_mounts(const Plan& plan, int rootfs, int second) {
  std::string covered = "\n";  // below a recursive bind nothing is left to do
  for (const std::string& path : mounts_below(plan.rootfs.string())) {
    if (oci::is_below(path, plan.own_folder) || oci::is_below(path, covered)) continue;
    const ScopedFd source = open_place(rootfs, path);
    const ScopedFd place = make_place(second, path, is_folder(source.get()));
    const bool holds_ours = oci::is_below(plan.own_folder, path);
    bind(source.get(), place.get(), !holds_ours, path + " in the second root");
    if (!holds_ours) covered = path;
  }
}

void mask(const std::string& path, int rootfs, int second) {
  const ScopedFd place = open_in_root(second, path, O_PATH);
  if (!place.valid()) return;
  if (is_folder(place.get())) {
    mount_new(place.get(), "tmpfs", MS_RDONLY, "size=0k", path + " in the second root");
    return;
  }
  const ScopedFd null = open_place(rootfs, "/dev/null");  // the container's, as runc takes it
  bind(null.get(), place.get(), false, path + " in the second root");
}

void make_readonly(const std::string& path, int second) {
  const ScopedFd place = open_in_root(second, path, O_PATH);
  if (!place.valid()) return;
  bind(place.get(), place.get(), true, path + " in the second root");
  add_flags(open_place(second, path).get(), MS_RDONLY, path + " in the second root");
}

}  // namespace

void build_own_folder(const Plan& plan) {
  const ScopedFd rootfs = open_rootfs(plan);
  {
    const ScopedFd place = oci::make_folders_in_root(rootfs.get(), plan.own_folder);
    mount_new(place.get(), "tmpfs", MS_NOSUID | MS_NODEV, "mode=0711,size=64k", plan.own_folder);
  }
  const ScopedFd own = open_place(rootfs.get(), plan.own_folder);
  constexpr unsigned long kProgram = MS_RDONLY | MS_NOSUID | MS_NODEV;
  bind_host(plan, own.get(), plan.monitor, "/bin/mx-monitor", kProgram);
  bind_host(plan, own.get(), plan.enter, "/bin/mx-enter", kProgram);
  // Without them a crash is not carried over by the other version's code.
  for (const std::filesystem::path analyzer : plan.analyzers)
    if (access(analyzer.c_str(), X_OK) == 0)
      bind_host(plan, own.get(), analyzer, "/bin/" + analyzer.filename().string(), kProgram);
  bind_host(plan, own.get(), plan.in, "/in", kProgram | MS_NOEXEC);
  // Where the folder cannot be had the monitor looks for the sites itself.
  if (access(plan.tables.c_str(), R_OK | X_OK) == 0 &&
      open_in_root(own.get(), "/in/sites", O_PATH).valid())
    bind_host(plan, own.get(), plan.tables, "/in/sites", kProgram | MS_NOEXEC);
  bind_host(plan, own.get(), plan.out, "/out", MS_NOSUID | MS_NODEV | MS_NOEXEC);
  // As the runtime does for the bundle's cwd.
  for (const auto& [version, folder] : plan.folders)
    if (version != plan.second) oci::make_folders_in_root(rootfs.get(), folder);
}

void build_second_root(const Plan& plan) {
  const ScopedFd rootfs = open_rootfs(plan);
  const std::string path = plan.own_folder + "/" + plan.second;
  {
    const ScopedFd place = oci::make_folders_in_root(rootfs.get(), path);
    mount_overlay(plan, rootfs.get(), place.get());
  }
  const ScopedFd second = open_place(rootfs.get(), path);
  copy_mounts(plan, rootfs.get(), second.get());
  for (const auto& [version, folder] : plan.folders)
    if (version == plan.second) oci::make_folders_in_root(second.get(), folder);
  for (const std::string& masked : plan.masked) mask(masked, rootfs.get(), second.get());
  for (const std::string& readonly : plan.readonly_paths) make_readonly(readonly, second.get());
  if (plan.readonly) add_flags(second.get(), MS_RDONLY, "the second root");
}

}  // namespace mx::hooks
