#include <linux/seccomp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>

#include "oci/start/identity.hpp"

namespace mx::start {

const char* name_of(Step step) {
  switch (step) {
    case Step::kNone:
      return "nothing";
    case Step::kOomScore:
      return "setting the OOM score";
    case Step::kLabel:
      return "setting the security label";
    case Step::kRoot:
      return "changing the root";
    case Step::kLimits:
      return "setting the resource limits";
    case Step::kBoundingSet:
      return "dropping the bounding set";
    case Step::kMonitorFilter:
      return "installing the monitor's filter";
    case Step::kUserFilter:
      return "installing the seccomp profile";
    case Step::kGroups:
      return "setting the groups";
    case Step::kUser:
      return "setting the user";
    case Step::kCapabilities:
      return "setting the capabilities";
    case Step::kAmbient:
      return "setting the ambient capabilities";
    case Step::kNoNewPrivileges:
      return "setting no_new_privs";
    case Step::kDescriptors:
      return "closing descriptors";
    case Step::kWorkingFolder:
      return "entering the working folder";
    case Step::kFindProgram:
      return "finding the program";
    case Step::kExec:
      return "executing the program";
  }
  return "starting";
}

int exit_status_for(const StartError& error) {
  if (error.step != Step::kFindProgram && error.step != Step::kExec) return 125;
  return error.error == ENOENT ? 127 : 126;
}

std::vector<sock_filter> read_filter(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in && !in.eof()) throw std::runtime_error("cannot read the seccomp filter " + file);
  if (bytes.empty() || bytes.size() % sizeof(sock_filter) != 0 ||
      bytes.size() / sizeof(sock_filter) > BPF_MAXINSNS)
    throw std::runtime_error(file + " is not a compiled seccomp filter");
  std::vector<sock_filter> filter(bytes.size() / sizeof(sock_filter));
  memcpy(filter.data(), bytes.data(), bytes.size());
  return filter;
}

Launch::Launch(const VersionSettings& settings)
    : Launch(settings, settings.seccomp_file.empty() ? std::vector<sock_filter>{}
                                                     : read_filter(settings.seccomp_file)) {}

Launch::Launch(VersionSettings settings, std::vector<sock_filter> filter, int root_fd,
               int preserved_fds)
    : settings_(std::move(settings)),
      filter_(std::move(filter)),
      root_fd_(root_fd),
      preserved_fds_(preserved_fds) {
  if (settings_.args.empty()) throw std::runtime_error("a version without arguments");
  std::string may_set_groups;
  std::ifstream("/proc/self/setgroups") >> may_set_groups;
  groups_denied_ = may_set_groups == "deny";
  if (settings_.oom_score_adj) oom_score_ = std::to_string(*settings_.oom_score_adj);
  home_missing_ = true;
  for (std::string& arg : settings_.args) argv_.push_back(arg.data());
  for (std::string& variable : settings_.env) {
    if (variable.starts_with("PATH=")) path_ = variable.substr(5);
    if (variable.starts_with("HOME=")) home_missing_ = false;
    envp_.push_back(variable.data());
  }
  if (home_missing_) envp_.push_back(nullptr);
  argv_.push_back(nullptr);
  envp_.push_back(nullptr);
}

}  // namespace mx::start
