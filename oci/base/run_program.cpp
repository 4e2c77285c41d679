#include "oci/base/run_program.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstdlib>

#include "oci/base/failure.hpp"
#include "oci/base/scoped_fd.hpp"

namespace mx::oci {
namespace {

struct Pipe {
  ScopedFd reader, writer;
  Pipe() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw system_failure("cannot create a pipe", errno);
    reader = ScopedFd(ends[0]);
    writer = ScopedFd(ends[1]);
  }
};

void collect(int out, std::string& output, int err, std::string& errors) {
  pollfd waits[2] = {{out, POLLIN, 0}, {err, POLLIN, 0}};
  std::string* sinks[2] = {&output, &errors};
  char buffer[65536];
  for (int open_ends = 2; open_ends > 0;) {
    if (poll(waits, 2, -1) < 0) {
      if (errno == EINTR) continue;
      throw system_failure("poll", errno);
    }
    for (int i = 0; i < 2; ++i) {
      if (waits[i].revents == 0) continue;
      const ssize_t got = read(waits[i].fd, buffer, sizeof buffer);
      if (got > 0) {
        sinks[i]->append(buffer, static_cast<size_t>(got));
      } else if (got == 0 || errno != EINTR) {
        waits[i].fd = -1;
        --open_ends;
      }
    }
  }
}

std::string last_line(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

}  // namespace

ProgramResult run_program(const std::vector<std::string>& args) {
  Pipe out, err;
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, out.writer.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, err.writer.get(), 2);
  std::vector<char*> argv;
  for (const std::string& arg : args) argv.push_back(const_cast<char*>(arg.c_str()));
  argv.push_back(nullptr);
  const std::string program =
      args[0].find('/') == std::string::npos ? find_in_path(args[0], search_path()) : args[0];
  pid_t pid = 0;
  const int failed =
      program.empty() ? ENOENT
                      : posix_spawn(&pid, program.c_str(), &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) throw system_failure("cannot start " + args[0], failed);
  out.writer.reset();
  err.writer.reset();
  ProgramResult result;
  collect(out.reader.get(), result.output, err.reader.get(), result.errors);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  result.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

std::string run_or_fail(const std::vector<std::string>& args) {
  ProgramResult result = run_program(args);
  if (result.status != 0) {
    std::string command;
    for (const std::string& arg : args) command += (command.empty() ? "" : " ") + arg;
    throw Failure("`" + command + "` ended with status " + std::to_string(result.status) + ": " +
                  last_line(result.errors.empty() ? result.output : result.errors));
  }
  return result.output;
}

std::string find_in_path(const std::string& name, const std::string& path_list) {
  for (size_t at = 0; at <= path_list.size();) {
    const size_t end = std::min(path_list.find(':', at), path_list.size());
    const std::string candidate = path_list.substr(at, end - at) + "/" + name;
    if (end > at && access(candidate.c_str(), X_OK) == 0) return candidate;
    at = end + 1;
  }
  return "";
}

std::string search_path() {
  const char* own = getenv("PATH");
  return std::string(own != nullptr ? own : "") +
         ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

}  // namespace mx::oci
