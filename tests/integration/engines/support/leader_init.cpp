// A real init for the tests of the container plumbing: starts the leader alone by mx_start, passes
// signals on, reaps, and ends with its status. It stands where mx-monitor will stand, has the same
// command line, and writes the report's start and exit lines.
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>

#include "oci/start/control.hpp"
#include "oci/start/identity.hpp"

namespace {

using mx::start::Control;
using mx::start::VersionSettings;

const VersionSettings& leader_of(const Control& control) {
  for (const VersionSettings& version : control.settings.versions)
    if (version.name == control.settings.leader) return version;
  return control.settings.versions.front();
}

void report(const Control& control, const std::string& text) {
  const int fd = open(control.state_path("report.jsonl").c_str(),
                      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text.data(), text.size()) < 0)
    fprintf(stderr, "leader-init: report: %s\n", strerror(errno));
  close(fd);
}

int serve(pid_t leader, const sigset_t& signals) {
  for (;;) {
    siginfo_t info;
    const int signal = sigwaitinfo(&signals, &info);
    if (signal > 0 && signal != SIGCHLD) kill(leader, signal);
    if (signal != SIGCHLD) continue;
    int status = 0;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == leader) return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
}

int run(const std::string& settings_path) {
  const Control control = mx::start::take_control(settings_path);
  const VersionSettings& leader = leader_of(control);
  const auto filter = control.filters.find(leader.name);
  const auto root = control.root_fds.find(leader.name);
  const mx::start::Launch launch(
      leader, filter == control.filters.end() ? std::vector<sock_filter>{} : filter->second,
      root == control.root_fds.end() ? -1 : root->second, control.settings.preserved_fds);
  sigset_t signals, before;
  sigfillset(&signals);
  sigprocmask(SIG_BLOCK, &signals, &before);
  const pid_t pid = fork();
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    const mx::start::StartError error = mx::start::apply_identity(launch, {});
    fprintf(stderr, "leader-init: %s: %s\n", mx::start::name_of(error.step), strerror(error.error));
    _exit(mx::start::exit_status_for(error));
  }
  if (pid < 0) throw std::runtime_error(strerror(errno));
  report(control, "{\"event\":\"start\",\"version\":\"" + leader.name +
                      "\",\"hidden\":" + (control.hidden ? "true" : "false") +
                      ",\"pid\":" + std::to_string(pid) + "}\n");
  const int status = serve(pid, signals);
  report(control, "{\"event\":\"exit\",\"status\":" + std::to_string(status) + "}\n");
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4 || strcmp(argv[1], "container") != 0 || strcmp(argv[2], "--settings") != 0)
    return 2;
  try {
    return run(argv[3]);
  } catch (const std::exception& error) {
    fprintf(stderr, "leader-init: %s\n", error.what());
    return 125;
  }
}
