#include "shim/doctor/survival.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>

#include "oci/base/run_program.hpp"
#include "shim/doctor/report_line.h"

namespace mx::doctor {

namespace {

using Clock = std::chrono::steady_clock;

// `mx run` of two copies of a program, with pipes on its standard streams.
class Trial {
 public:
  Trial(const std::string& mx, const std::string& program);
  ~Trial();
  Trial(const Trial&) = delete;
  Trial& operator=(const Trial&) = delete;

  bool give(const std::string& line) const {
    return write(streams_[0], line.data(), line.size()) == static_cast<ssize_t>(line.size());
  }
  /// True as soon as the program's output is `wanted`; false when the time is over or it has ended.
  bool reads(const std::string& wanted);
  /// The process that leads, as soon as the report says so; 0 when the time is over.
  pid_t leader();
  /// Closes its input; true if it then ends well.
  bool ends_well();
  const std::string& said() const { return text_[2]; }

 private:
  bool read_more();
  pid_t reported_leader() const;

  pid_t pid_ = -1;
  int streams_[3] = {-1, -1, -1};
  std::string text_[3];
  Clock::time_point end_ = Clock::now() + std::chrono::seconds(10);
};

Trial::Trial(const std::string& mx, const std::string& program) {
  int ends[3][2] = {{-1, -1}, {-1, -1}, {-1, -1}};
  for (auto& pair : ends)
    if (pipe2(pair, O_CLOEXEC) != 0) return;
  pid_ = fork();
  if (pid_ == 0) {
    for (int fd = 0; fd < 3; fd++) dup2(ends[fd][fd != 0], fd);
    execl(mx.c_str(), "mx", "run", "--report", "-", "--recovery", "off", "--old", program.c_str(),
          "--new", program.c_str(), nullptr);
    _exit(127);
  }
  for (int fd = 0; fd < 3; fd++) {
    close(ends[fd][fd != 0]);
    streams_[fd] = ends[fd][fd == 0];
  }
}

// SIGTERM, so that `mx run` ends what it has started.
Trial::~Trial() {
  for (int fd : streams_) close(fd);
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  waitpid(pid_, nullptr, 0);
}

bool Trial::read_more() {
  pollfd ready[2] = {{streams_[1], POLLIN, 0}, {streams_[2], POLLIN, 0}};
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(end_ - Clock::now()).count();
  if (left <= 0 || poll(ready, 2, static_cast<int>(left)) <= 0) return false;
  ssize_t came = 0;
  for (int k = 0; k < 2; k++) {
    char bytes[4096];
    const ssize_t n = ready[k].revents != 0 ? read(streams_[k + 1], bytes, sizeof bytes) : 0;
    if (n > 0) text_[k + 1].append(bytes, static_cast<size_t>(n));
    came += n > 0 ? n : 0;
  }
  return came > 0;
}

bool Trial::reads(const std::string& wanted) {
  while (text_[1] != wanted)
    if (!read_more()) return false;
  return true;
}

pid_t Trial::reported_leader() const {
  const auto start =
      find_event(text_[2], "start", [](const auto& e) { return e.value("role", "") == "leader"; });
  return start.is_object() ? start.value("pid", 0) : 0;
}

// The program may have written before the monitor's line is there.
pid_t Trial::leader() {
  pid_t pid = 0;
  do pid = reported_leader();
  while (pid == 0 && read_more());
  return pid;
}

bool Trial::ends_well() {
  close(streams_[0]);
  streams_[0] = -1;
  while (read_more()) continue;
  if (Clock::now() >= end_) return false;
  int status = 0;
  if (waitpid(pid_, &status, 0) != pid_) return false;
  pid_ = -1;
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

Finding try_a_kill(const std::string& mx) {
  const std::string program = oci::find_in_path("cat", oci::search_path());
  if (program.empty()) return {"survival", State::kNote, "not tried: there is no cat(1)", ""};
  const auto old_action = signal(SIGPIPE, SIG_IGN);
  Trial trial(mx, program);
  bool good = trial.give("before\n") && trial.reads("before\n");
  const pid_t leader = good ? trial.leader() : 0;
  good = leader > 0 && kill(leader, SIGKILL) == 0 && trial.give("after\n") &&
         trial.reads("before\nafter\n") && trial.ends_well();
  signal(SIGPIPE, old_action);
  if (good && trial.said().find("\"event\":\"failover\"") != std::string::npos)
    return {"survival", State::kOk,
            "when the leader was killed the other version went on with its descriptors", ""};
  return {
      "survival", State::kFailed, "the other version did not go on when the leader was killed",
      "what failed above may be the reason; else please report it, with what mx run --report says"};
}

}  // namespace mx::doctor
