#include "shim/monitor/container.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "oci/start/control.hpp"
#include "oci/start/identity.hpp"
#include "shim/monitor/error.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"
#include "shim/stream/layout.h"

namespace mx::monitor {

using start::Control;
using start::Launch;
using start::VersionSettings;

namespace {

std::unique_ptr<Launch> launch_of(const Control& control, const VersionSettings& version) {
  const auto filter = control.filters.find(version.name);
  const auto root = control.root_fds.find(version.name);
  return std::make_unique<Launch>(
      version, filter == control.filters.end() ? std::vector<sock_filter>{} : filter->second,
      root == control.root_fds.end() ? -1 : root->second, control.settings.preserved_fds);
}

// The arena is mapped into a version's address space, and counts there: its limit is raised by
// that. Returns by what.
uint64_t raise_address_space(VersionSettings& version) {
  static_assert(stream::kAddressSpace <= start::kAddressSpaceOfMx);
  uint64_t raised = 0;
  for (start::ResourceLimit& limit : version.limits) {
    if (limit.resource != RLIMIT_AS) continue;
    for (uint64_t* value : {&limit.soft, &limit.hard}) {
      if (*value >= RLIM_INFINITY - stream::kAddressSpace) continue;
      *value += stream::kAddressSpace;
      raised = stream::kAddressSpace;
    }
  }
  return raised;
}

// The runtime gave the terminal to this process, the
// first of the session. The program shall have it.
void let_go_of_terminal() {
  signal(SIGHUP, SIG_IGN);  // what the leader of a session gets for it
  ioctl(0, TIOCNOTTY);
  signal(SIGHUP, SIG_DFL);
}

int status_of(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

// Passes signals on and reaps until the one program has ended.
int serve(pid_t program, int signals) {
  for (;;) {
    signalfd_siginfo info;
    while (read(signals, &info, sizeof info) == sizeof info)
      if (info.ssi_signo != SIGCHLD) kill(program, static_cast<int>(info.ssi_signo));
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
      if (pid == program) return status_of(status);
    wait_readable(signals);
  }
}

// The second version was left out (run.mx.optional): the program runs as it would without mx.
int run_alone(const Control& control) {
  const std::unique_ptr<Launch> launch = launch_of(control, control.settings.versions[0]);
  Report report(control.state_path("report.jsonl"));
  for (const std::string& note : control.settings.notes) report.write("note", {{"reason", note}});
  hold_signals(true);  // before there is a child that could end
  const int signals = open_signals(true);
  const pid_t pid = fork();
  if (pid < 0) throw system_error("fork");
  if (pid == 0) {
    sigprocmask(SIG_SETMASK, &original_mask(), nullptr);
    setsid();
    if (control.settings.terminal) ioctl(0, TIOCSCTTY, 0);
    const start::StartError error = start::apply_identity(*launch, {});
    dprintf(2, "mx: %s (%s): %s\n", start::name_of(error.step), launch->settings().args[0].c_str(),
            strerror(error.error));
    _exit(start::exit_status_for(error));
  }
  const std::string& name = launch->settings().name;
  report.write("start", {{"version", name},
                         {"pid", pid},
                         {"program", launch->settings().args[0]},
                         {"role", "alone"}});
  release_standard_streams();
  const int status = serve(pid, signals);
  report.write("exit", {{"version", name}, {"status", status}});
  return status;
}

Options options_of(const Control& control) {
  const start::ContainerSettings& s = control.settings;
  Options o;
  o.container = true;
  o.terminal = s.terminal;
  o.leader = s.leader == "old" ? stream::Version::kOld : stream::Version::kNew;
  o.full_lockstep = s.lockstep == "full";
  o.serial_threads = s.threads == "serial";
  o.recovery = s.recovery;
  o.hang_timeout_s = s.hang_timeout;
  o.replay_bundle = s.replay_bundle;
  o.core = s.core;
  o.rules = s.rules_file;
  o.report = control.state_path("report.jsonl");
  o.id = s.id;
  o.state_folder = "/proc/self/fd/" + std::to_string(control.state_fd);
  o.host_tables = control.tables_fd;
  o.notes = s.notes;
  if (!control.hidden)
    o.notes.push_back("mx's own folders could not be unmounted in the container");
  return o;
}

int run_pair(const Control& control) {
  Options o = options_of(control);
  std::unique_ptr<Launch> launches[2];
  for (const VersionSettings& version : control.settings.versions) {
    const int i = version.name == "old" ? 0 : 1;
    VersionSettings with_room = version;
    o.address_space = std::max(o.address_space, raise_address_space(with_room));
    launches[i] = launch_of(control, with_room);
    o.identity[i] = launches[i].get();
    o.program[i] = version.args[0];
    o.root[i] = version.root == "/" ? "" : version.root;
  }
  if (!launches[0] || !launches[1]) throw Error("the settings name one version twice");
  return Monitor(o).run();
}

}  // namespace

int run_container(const std::string& settings_path) {
  const Control control = start::take_control(settings_path);
  if (control.settings.terminal) let_go_of_terminal();
  return control.settings.versions.size() == 1 ? run_alone(control) : run_pair(control);
}

}  // namespace mx::monitor
