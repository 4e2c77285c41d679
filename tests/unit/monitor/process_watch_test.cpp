#include "shim/monitor/process_watch.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mx::monitor {
namespace {

// Sleeps until it is killed; it has copies of all descriptors.
pid_t start_process() {
  const pid_t pid = fork();
  if (pid != 0) return pid;
  for (;;) pause();
}

void end_process(pid_t pid) {
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

// The monitor's readers of crashed processes have its descriptors: that one of them still holds a
// pidfd must not make the end of one process that of another, whose pidfd has the number by then.
TEST(ProcessWatch, AnEndIsToldOnce) {
  constexpr int kLongMs = 10000;
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  ASSERT_GE(epoll, 0);
  ProcessWatch watch;
  watch.open(epoll);
  const pid_t first = start_process();
  ASSERT_TRUE(watch.watch(first));
  const pid_t reader = start_process();
  const pid_t second = start_process();
  kill(first, SIGKILL);
  epoll_event event{};
  ASSERT_EQ(1, epoll_wait(epoll, &event, 1, kLongMs));
  EXPECT_EQ(first, watch.serve(event.data.fd));
  ASSERT_TRUE(watch.watch(second));  // its pidfd has the number of the first one's
  EXPECT_EQ(0, epoll_wait(epoll, &event, 1, 0));
  kill(second, SIGKILL);
  ASSERT_EQ(1, epoll_wait(epoll, &event, 1, kLongMs));
  EXPECT_EQ(second, watch.serve(event.data.fd));
  for (const pid_t pid : {first, second, reader}) end_process(pid);
  close(epoll);
}

}  // namespace
}  // namespace mx::monitor
