#include "oci/start/identity.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "oci/start/child_lookups.hpp"

namespace mx::start {

// One function a step; each returns 0 or an errno.
struct ChildSteps {
  const Launch& launch;
  const Hooks& hooks;
  const VersionSettings& want = launch.settings_;
  bool in_folder = false;

  static int last_error(long result) { return result < 0 ? errno : 0; }

  static int write_small(const char* path, const char* bytes, size_t size) {
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int error = last_error(write(fd, bytes, size));
    close(fd);
    return error;
  }

  int oom_score() const {
    if (launch.oom_score_.empty()) return 0;
    char now[16] = {};
    const int fd = open("/proc/self/oom_score_adj", O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
      const ssize_t got = read(fd, now, sizeof now - 1);
      close(fd);
      // Normally inherited from the monitor; lowering it would need CAP_SYS_RESOURCE.
      if (got > 1 &&
          launch.oom_score_.compare(0, std::string::npos, now, static_cast<size_t>(got) - 1) == 0)
        return 0;
    }
    return write_small("/proc/self/oom_score_adj", launch.oom_score_.data(),
                       launch.oom_score_.size());
  }

  int label() const {
    if (!want.apparmor_profile.empty()) {
      char text[512] = "exec ";
      const size_t size = std::min(want.apparmor_profile.size(), sizeof text - 6);
      memcpy(text + 5, want.apparmor_profile.data(), size);
      int error = write_small("/proc/self/attr/apparmor/exec", text, size + 5);
      if (error == ENOENT) error = write_small("/proc/self/attr/exec", text, size + 5);
      if (error != 0) return error;
    }
    if (want.selinux_label.empty()) return 0;
    return write_small("/proc/self/attr/exec", want.selinux_label.data(),
                       want.selinux_label.size());
  }

  int root() const {
    if (want.root == "/" && launch.root_fd_ < 0) return 0;
    const int fd = launch.root_fd_ >= 0 ? launch.root_fd_
                                        : open(want.root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    if (fchdir(fd) != 0 || chroot(".") != 0 || chdir("/") != 0) return errno;
    return 0;
  }

  int limits() const {
    for (const ResourceLimit& limit : want.limits) {
      const rlimit value = {limit.soft, limit.hard};
      if (setrlimit(static_cast<__rlimit_resource>(limit.resource), &value) != 0) return errno;
    }
    return 0;
  }

  int bounding_set() const {
    for (int bit = 0; bit < 64; ++bit) {
      if ((want.capabilities.bounding >> bit & 1) != 0) continue;
      const int held = prctl(PR_CAPBSET_READ, bit, 0, 0, 0);
      if (held < 0) return 0;  // past the kernel's last capability
      if (held == 1 && prctl(PR_CAPBSET_DROP, bit, 0, 0, 0) != 0) return errno;
    }
    return 0;
  }

  int monitor_filter() const {
    return hooks.monitor_filter != nullptr ? hooks.monitor_filter(hooks.context) : 0;
  }

  // Without no_new_privs a filter needs CAP_SYS_ADMIN, so it must come before the capabilities go;
  // with it the filter comes last, and need not allow the steps in between (as runc does it).
  int user_filter(bool last) const {
    if (launch.filter_.empty() || last != want.no_new_privileges) return 0;
    const sock_fprog program = {static_cast<unsigned short>(launch.filter_.size()),
                                const_cast<sock_filter*>(launch.filter_.data())};
    return last_error(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, want.seccomp_flags, &program));
  }

  int groups() const {
    // Raw calls: glibc's would signal every thread of the process, which are not ours after fork.
    if (!launch.groups_denied_ &&
        syscall(SYS_setgroups, want.additional_gids.size(), want.additional_gids.data()) != 0)
      return errno;
    return last_error(syscall(SYS_setresgid, want.gid, want.gid, want.gid));
  }

  int user() const {
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0) return errno;
    if (syscall(SYS_setresuid, want.uid, want.uid, want.uid) != 0) return errno;
    return last_error(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0));
  }

  int capabilities() const {
    const CapabilitySets& sets = want.capabilities;
    __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2];
    for (int half = 0; half < 2; ++half) {
      data[half] = {static_cast<uint32_t>(sets.effective >> (32 * half)),
                    static_cast<uint32_t>(sets.permitted >> (32 * half)),
                    static_cast<uint32_t>(sets.inheritable >> (32 * half))};
    }
    return last_error(syscall(SYS_capset, &header, data));
  }

  int ambient() const {
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) return errno;
    for (int bit = 0; bit < 64; ++bit) {
      if ((want.capabilities.ambient >> bit & 1) == 0) continue;
      // A capability that is not both permitted and inheritable cannot be ambient: runc leaves it.
      if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, bit, 0, 0) != 0 && errno != EPERM)
        return errno;
    }
    return 0;
  }

  int no_new_privileges() const {
    if (!want.no_new_privileges) return 0;
    return last_error(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  }

  // Before any path the user named is walked: cwd = /proc/self/fd/N must not find a folder of the
  // monitor's (CVE-2024-21626 was this in runc).
  int descriptors() const {
    std::array<int, 16> keep{};
    const size_t count = std::min(hooks.keep.size(), keep.size());
    std::copy_n(hooks.keep.begin(), count, keep.begin());
    std::sort(keep.begin(), keep.begin() + static_cast<long>(count));
    unsigned from = 3 + static_cast<unsigned>(launch.preserved_fds_);
    for (size_t i = 0; i < count; ++i) {
      const unsigned fd = static_cast<unsigned>(keep[i]);
      if (fd < from) continue;
      if (fd > from && syscall(SYS_close_range, from, fd - 1, 0) != 0) return errno;
      from = fd + 1;
    }
    return last_error(syscall(SYS_close_range, from, ~0U, 0));
  }

  // runc tries as root first and again as the user, for folders only one of them may enter.
  int working_folder(bool again) {
    if (in_folder) return 0;
    if (chdir(want.cwd.c_str()) == 0) {
      in_folder = true;
      return 0;
    }
    return again ? errno : 0;
  }
};

namespace {

StartError execute(const Launch& launch, const Hooks& hooks, const char* path,
                   const std::vector<char*>& argv, const std::vector<char*>& envp) {
  char program[kMaxPath];
  const int missing = find_program(argv[0], path, program);
  if (missing != 0) return {Step::kFindProgram, missing};
  char home[kMaxPath];
  char** environment = const_cast<char**>(envp.data());
  if (launch.settings().env.size() + 2 == envp.size()) {
    find_home(launch.settings().uid, home);
    environment[envp.size() - 2] = home;
  }
  const int error = hooks.execute != nullptr
                        ? hooks.execute(hooks.context, program, argv.data(), environment)
                        : (execve(program, argv.data(), environment), errno);
  return {Step::kExec, error};
}

}  // namespace

StartError apply_identity(const Launch& launch, const Hooks& hooks) {
  ChildSteps child{launch, hooks};
  int error = 0;
  if ((error = child.oom_score()) != 0) return {Step::kOomScore, error};
  if ((error = child.label()) != 0) return {Step::kLabel, error};
  if ((error = child.root()) != 0) return {Step::kRoot, error};
  if ((error = child.limits()) != 0) return {Step::kLimits, error};
  if ((error = child.descriptors()) != 0) return {Step::kDescriptors, error};
  child.working_folder(false);
  if ((error = child.bounding_set()) != 0) return {Step::kBoundingSet, error};
  if ((error = child.monitor_filter()) != 0) return {Step::kMonitorFilter, error};
  if ((error = child.user_filter(false)) != 0) return {Step::kUserFilter, error};
  if ((error = child.groups()) != 0) return {Step::kGroups, error};
  if ((error = child.user()) != 0) return {Step::kUser, error};
  if ((error = child.capabilities()) != 0) return {Step::kCapabilities, error};
  if ((error = child.ambient()) != 0) return {Step::kAmbient, error};
  if ((error = child.no_new_privileges()) != 0) return {Step::kNoNewPrivileges, error};
  if (launch.settings_.umask) umask(*launch.settings_.umask);
  if ((error = child.working_folder(true)) != 0) return {Step::kWorkingFolder, error};
  if ((error = child.user_filter(true)) != 0) return {Step::kUserFilter, error};
  return execute(launch, hooks, launch.path_.c_str(), launch.argv_, launch.envp_);
}

}  // namespace mx::start
