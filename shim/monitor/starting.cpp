// How a run begins: both versions under way, or one of them alone.
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>
#include <memory>

#include "shim/monitor/events.h"
#include "shim/monitor/inject.h"
#include "shim/monitor/monitor.h"

namespace mx::monitor {

using namespace stream;

// What can wait until the first process is under way.
void Monitor::settle() {
  Control& c = arena_.control();
  open_events();
  open_control();  // before the program serves anybody, who may ask at once
  want_of_memory_.begin();
  c.settings.log_size = want_of_memory_.log_size();
  c.settings.memory_is_limited = want_of_memory_.limited();
  c.lanes[0].log_size = options_.recovery ? c.settings.log_size : 0;
  arena_.put_agent_in();
}

// Both at once, each by a thread, which traces it: most of the time goes into execve.
void Monitor::start() {
  const Version leader = options_.leader, follower = other(leader);
  Gate gate;
  if (!gate.map()) throw system_error("cannot map the start-up code");
  std::unique_ptr<Departure> second;
  std::exception_ptr second_failed;
  std::atomic<bool> settled = false, arrived = false;
  wake_ = open_message_wakeups(arena_.control(), [&] {
    try {
      second = std::make_unique<Departure>(arena_, gate, spec_of(follower), 0, follower, true);
      settled.wait(false);
      second->finish();
    } catch (...) {
      second_failed = std::current_exception();
    }
    arrived.store(true);
    arrived.notify_one();
  });
  std::exception_ptr failed;
  const auto let_second_go_on = [&] {
    settled.store(true);
    settled.notify_one();
  };
  try {
    Departure first(arena_, gate, spec_of(leader), 0, leader, false);
    settle();
    let_second_go_on();
    first.finish();
    started(leader, first);
  } catch (...) {
    failed = std::current_exception();
    let_second_go_on();
  }
  arrived.wait(false);
  if (failed) {
    if (!second_failed) {
      kill(second->pid(), SIGKILL);
      waitpid(second->pid(), nullptr, __WALL);
    }
    std::rethrow_exception(failed);
  }
  follower_arrived(second.get(), second_failed);
  if (!options_.container) warn_if_no_takeover();
}

// A container's seccomp profile, or Yama, may keep back what a survivor needs. Said at once, not
// when it is too late.
void Monitor::warn_if_no_takeover() {
  const auto pidfd =
      static_cast<int>(syscall(SYS_pidfd_open, roots_[static_cast<int>(options_.leader)].pid, 0));
  if (pidfd < 0 && errno == ESRCH) return;  // it has ended
  const auto got =
      pidfd < 0 ? -1 : static_cast<int>(syscall(SYS_pidfd_getfd, pidfd, STDIN_FILENO, 0));
  const int error = got < 0 ? errno : 0;
  if (got >= 0) close(got);
  if (pidfd >= 0) close(pidfd);
  if (error != EPERM && error != EACCES && error != ENOSYS) return;
  const std::string reason =
      std::string("no version could take over from the other one: pidfd_getfd: ") +
      std::strerror(error) + " (in a container CAP_SYS_PTRACE is missing; mx doctor says more)";
  report_.write("note", {{"reason", reason}});
  fprintf(stderr, "mx: %s\n", reason.c_str());
}

void Monitor::follower_arrived(const Departure* arrived, std::exception_ptr failed) {
  const Version leader = options_.leader, follower = other(leader);
  try {
    if (failed) std::rethrow_exception(failed);
    started(follower, *arrived);
  } catch (const Error& e) {
    // On the command line a version that cannot start is the user's mistake. A container is a
    // service: it goes on with the leader alone.
    if (!options_.container) {
      kill(roots_[static_cast<int>(leader)].pid, SIGKILL);
      throw;
    }
    go_without(follower, e);
  }
}

VersionSpec Monitor::spec_of(Version v) const {
  const int i = static_cast<int>(v);
  VersionSpec spec{
      options_.program[i], options_.root[i], {}, options_.identity[i], options_.terminal};
  // One view of paths: both versions are called by the same name.
  spec.argv.push_back(options_.argv0.empty() ? options_.program[static_cast<int>(options_.leader)]
                                             : options_.argv0);
  spec.argv.insert(spec.argv.end(), options_.args.begin(), options_.args.end());
  return spec;
}

void Monitor::started(Version v, const Departure& launched) {
  const int i = static_cast<int>(v);
  roots_[i].pid = launched.pid();
  report_.write("start", {{"version", name(v)},
                          {"pid", roots_[i].pid},
                          {"program", options_.program[i]},
                          {"role", v == options_.leader ? "leader" : "follower"}});
}

void Monitor::go_without(Version follower, const Error& why) {
  Root& r = roots_[static_cast<int>(follower)];
  r.ended = r.was_dropped = true;
  root().alive[static_cast<int>(follower)].store(0);
  let_leader_go(arena_.control(), root());
  report_.write("dropped", {{"version", name(follower)},
                            {"reason", std::string("it could not start: ") + why.what()}});
}

}  // namespace mx::monitor
