// Starts one version exactly as the bundle asked: the steps between fork and exec.
//
//   parent:  Launch launch(settings);          // reads the filter, prepares argv and envp
//   child:   StartError e = apply_identity(launch, hooks);   // returns only on failure
//            _exit(exit_status_for(e));
//
// The child side allocates nothing and takes no lock, so it may run after fork() in a process with
// threads. Neither side logs.
#pragma once

#include <linux/filter.h>

#include <array>
#include <string>
#include <vector>

#include "oci/start/version_settings.hpp"

namespace mx::start {

// The steps, in their order. A StartError names the one that failed.
enum class Step {
  kNone,
  kOomScore,
  kLabel,
  kRoot,
  kLimits,
  kBoundingSet,
  kMonitorFilter,
  kUserFilter,
  kGroups,
  kUser,
  kCapabilities,
  kAmbient,
  kNoNewPrivileges,
  kDescriptors,
  kWorkingFolder,
  kFindProgram,
  kExec,
};

// "changing the root", "setting the groups", …
const char* name_of(Step step);

struct StartError {
  Step step = Step::kNone;
  int error = 0;  // errno
};

// 127 if the program is not there, 126 if it cannot be executed (as a shell does), 125 otherwise.
int exit_status_for(const StartError& error);

// What the monitor does itself at given points. Each returns 0 or an errno; a null pointer is
// skipped. They run in the child: no allocation, no locks.
struct Hooks {
  void* context = nullptr;
  // After the bounding set was dropped and before the user's filter: the child still has the
  // monitor's effective capabilities (SYS_ADMIN allows a filter without no_new_privs).
  int (*monitor_filter)(void* context) = nullptr;
  // Replaces execve(program, argv, envp). Default: execve.
  int (*execute)(void* context, const char* program, char* const* argv,
                 char* const* envp) = nullptr;
  // Descriptors that must survive until `execute` (at most 16), beside 0-2 and the preserved ones.
  std::vector<int> keep;
};

// Everything about one version that can be prepared before the fork. Holds pointers into itself:
// not copyable.
class Launch {
 public:
  // `filter` is the user's seccomp profile, empty for none; `root_fd` an O_PATH descriptor of the
  // version's root or -1 to open settings.root; `preserved_fds` see ContainerSettings.
  Launch(VersionSettings settings, std::vector<sock_filter> filter, int root_fd = -1,
         int preserved_fds = 0);
  // Reads settings.seccomp_file. Throws std::runtime_error.
  explicit Launch(const VersionSettings& settings);
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  const VersionSettings& settings() const { return settings_; }

 private:
  friend StartError apply_identity(const Launch& launch, const Hooks& hooks);
  friend struct ChildSteps;

  VersionSettings settings_;
  std::vector<sock_filter> filter_;
  int root_fd_;
  int preserved_fds_;
  bool groups_denied_ = false;  // a user namespace without it: groups stay, as under runc
  std::string oom_score_;       // decimal text, "" to leave it
  std::string path_;            // PATH of the version
  bool home_missing_ = false;   // HOME is looked up in the version's own /etc/passwd
  std::vector<char*> argv_;
  std::vector<char*> envp_;  // one spare slot for HOME when it is missing
};

// Reads a compiled filter. Throws std::runtime_error if it is not a whole number of instructions.
std::vector<sock_filter> read_filter(const std::string& file);

// Applies the settings to the calling process and executes the program. Returns on failure only,
// and then the process is half changed: the caller must _exit.
StartError apply_identity(const Launch& launch, const Hooks& hooks);

}  // namespace mx::start
