// All rewritable sites of the running libc are rewritten in a child, which then leads a busy life.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "patcher.h"

extern char** environ;

namespace mx::sites {
namespace {

std::atomic<int> signals{0};

bool spawn_works() {
  pid_t child = 0;
  char name[] = "true";
  char* const arguments[] = {name, nullptr};
  if (posix_spawn(&child, "/bin/true", nullptr, nullptr, arguments, environ) != 0) return false;
  int status = -1;
  return waitpid(child, &status, 0) == child && status == 0;
}

bool fork_works() {
  const pid_t child = fork();
  if (child == 0) _exit(getppid() > 0 ? 7 : 1);
  int status = 0;
  return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 7;
}

bool vfork_works() {
  const pid_t child = vfork();
  if (child == 0) _exit(9);
  int status = 0;
  return waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 9;
}

bool popen_works() {
  FILE* pipe = popen("echo hello; exit 3", "r");
  char line[16] = {};
  const bool read = pipe && fgets(line, sizeof line, pipe) && std::strcmp(line, "hello\n") == 0;
  return read && WEXITSTATUS(pclose(pipe)) == 3;
}

bool threads_work() {
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int i = 1; i <= 4; ++i)
    threads.emplace_back([&sum, i] {
      void* memory =
          mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      sum += memory != MAP_FAILED && munmap(memory, 4096) == 0 ? i : 0;
    });
  for (std::thread& thread : threads) thread.join();
  return sum == 10;
}

bool signals_work() {
  struct sigaction action {};
  action.sa_handler = [](int) { ++signals; };
  sigset_t blocked, old;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  if (sigaction(SIGUSR1, &action, nullptr) != 0) return false;
  if (sigprocmask(SIG_BLOCK, &blocked, &old) != 0 || raise(SIGUSR1) != 0 || signals != 0)
    return false;
  return sigsuspend(&old) == -1 && errno == EINTR && signals == 1;
}

bool sockets_work() {
  int pair[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0 || send(pair[0], "abc", 3, 0) != 3)
    return false;
  pollfd wait{pair[1], POLLIN, 0};
  char buffer[8];
  const bool received = poll(&wait, 1, 5000) == 1 && recv(pair[1], buffer, 8, 0) == 3;
  return received && close(pair[0]) == 0 && close(pair[1]) == 0;
}

bool errors_work() {
  return open("/nonexistent", O_RDONLY) == -1 && errno == ENOENT && close(-1) == -1 &&
         errno == EBADF;
}

/// The child's exit status: 0 or the number of the step that failed.
int busy_life() {
  Patcher& patcher = *new Patcher("/lib/x86_64-linux-gnu/libc.so.6", load_base("libc.so.6"));
  for (const Site& site : patcher.table().sites())
    if (site.flags & kRewritable) patcher.patch(site);
  bool (*const steps[])() = {errors_work, spawn_works,  fork_works,   vfork_works,
                             popen_works, threads_work, signals_work, sockets_work};
  int number = 1;
  for (const auto step : steps) {
    const uint64_t before = patcher.calls();
    if (!step() || patcher.calls() == before) return number;
    ++number;
  }
  return patcher.calls() > 50 ? 0 : 100;
}

TEST(Execution, AWholeRewrittenLibcStillWorks) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(busy_life());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_FALSE(WIFSIGNALED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0) << "the step that failed";
}

}  // namespace
}  // namespace mx::sites
