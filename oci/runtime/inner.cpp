#include "oci/runtime/inner.hpp"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "oci/base/failure.hpp"
#include "oci/base/run_program.hpp"

namespace mx::oci {
namespace {

std::vector<char*> argv_of(const std::string& program, const std::vector<std::string>& words) {
  std::vector<char*> argv = {const_cast<char*>(program.c_str())};
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  return argv;
}

// Signals somebody may send to a runtime in the foreground (`runc run` hands them to the
// container).
sigset_t passed_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal :
       {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT, SIGALRM, SIGCHLD})
    sigaddset(&set, signal);
  return set;
}

int status_of(int status) {
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

Inner find_inner(const Config& config) {
  std::string looked_for;
  for (const std::string& name : config.inner) {
    const std::string program = name.find('/') != std::string::npos
                                    ? (access(name.c_str(), X_OK) == 0 ? name : "")
                                    : find_in_path(name, search_path());
    if (!program.empty()) {
      const std::string base = std::filesystem::path(program).filename();
      return {program, base.find("crun") == std::string::npos};
    }
    looked_for += (looked_for.empty() ? "" : ", ") + name;
  }
  throw Failure("mx-runtime found no OCI runtime (looked for " + looked_for +
                "; see runtime.inner in /etc/mx/config.toml)");
}

std::filesystem::path runtime_root(const Inner& inner, const CommandLine& line) {
  if (const auto root = line.global_value("root")) return std::filesystem::absolute(*root);
  const std::string name = inner.is_runc ? "runc" : "crun";
  const char* run = getenv("XDG_RUNTIME_DIR");
  const char* user = getenv("USER");
  // runc does not count root in a user namespace as root, unless it is called so; crun asks no
  // user.
  const bool as_root =
      is_real_root() || (geteuid() == 0 && user != nullptr && std::string(user) == "root");
  const bool in_run = run != nullptr && *run != 0 && !(inner.is_runc && as_root);
  return std::filesystem::path(in_run ? run : "/run") / name;
}

void exec_inner(const Inner& inner, const std::vector<std::string>& words) {
  execv(inner.program.c_str(), argv_of(inner.program, words).data());
  throw system_failure("cannot execute " + inner.program.string(), errno);
}

int run_inner(const Inner& inner, const std::vector<std::string>& words) {
  const std::vector<char*> argv = argv_of(inner.program, words);
  const sigset_t passed = passed_signals();
  sigset_t before;
  sigprocmask(SIG_BLOCK, &passed, &before);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw system_failure("fork", errno);
  if (child == 0) {
    sigprocmask(SIG_SETMASK, &before, nullptr);
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent) _exit(1);
    execv(inner.program.c_str(), argv.data());
    _exit(127);
  }
  for (;;) {
    siginfo_t info;
    const int signal = sigwaitinfo(&passed, &info);
    if (signal < 0) continue;
    if (signal != SIGCHLD) {
      // From a terminal the whole group got it already.
      if (info.si_code != SI_KERNEL) kill(child, signal);
      continue;
    }
    int status = 0;
    if (waitpid(child, &status, WNOHANG) != child) continue;
    sigprocmask(SIG_SETMASK, &before, nullptr);
    return status_of(status);
  }
}

}  // namespace mx::oci
