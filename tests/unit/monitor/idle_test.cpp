#include "shim/monitor/idle.h"

#include <gtest/gtest.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <functional>
#include <tuple>

#include "shim/monitor/proc_stat.h"

namespace mx::monitor {
namespace {

constexpr int kMinute = 60'000;

// A process that waits in what `wait` calls.
class Waiting {
 public:
  explicit Waiting(const std::function<void()>& wait) : pid_(fork()) {
    if (pid_ == 0) {
      wait();
      _exit(1);
    }
    for (const timespec ms{0, 1'000'000}; proc_stat(pid_).state != 'S';) nanosleep(&ms, nullptr);
  }
  ~Waiting() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
  }
  bool for_ever() const { return waits_for_ever(pid_, pid_); }

 private:
  pid_t pid_;
};

struct Pipe {
  int ends[2];
  Pipe() { EXPECT_EQ(pipe(ends), 0); }
  ~Pipe() {
    close(ends[0]);
    close(ends[1]);
  }
};

TEST(Idle, CallsWithoutALimit) {
  const Pipe p;
  char c;
  EXPECT_TRUE(Waiting([&] { std::ignore = read(p.ends[0], &c, 1); }).for_ever());
  pollfd one{p.ends[0], POLLIN, 0};
  EXPECT_TRUE(Waiting([&] { poll(&one, 1, -1); }).for_ever());
  EXPECT_TRUE(Waiting([&] { select(0, nullptr, nullptr, nullptr, nullptr); }).for_ever());
  int word = 0;
  EXPECT_TRUE(
      Waiting([&] { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, nullptr); }).for_ever());
}

// One that is woken begins its call anew: it would wait longer.
TEST(Idle, CallsWithOne) {
  const Pipe p;
  pollfd one{p.ends[0], POLLIN, 0};
  EXPECT_FALSE(Waiting([&] { poll(&one, 1, kMinute); }).for_ever());
  const int set = epoll_create1(0);
  epoll_event event;
  EXPECT_FALSE(Waiting([&] { epoll_wait(set, &event, 1, kMinute); }).for_ever());
  close(set);
  const timespec minute{60, 0};
  EXPECT_FALSE(Waiting([&] { nanosleep(&minute, nullptr); }).for_ever());
  int word = 0;
  EXPECT_FALSE(
      Waiting([&] { syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, &minute); }).for_ever());
}

TEST(Idle, Nobody) { EXPECT_FALSE(waits_for_ever(getpid(), 1 << 30)); }

}  // namespace
}  // namespace mx::monitor
