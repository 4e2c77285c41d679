// accept, poll, epoll_wait, waitpid, flock and a fifo's open all end with EINTR on a signal.
// expect: ok: 6 calls interrupted
#include <poll.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "check.h"

static void handle(int signal) { (void)signal; }

int main(void) {
  int listener = socket(AF_INET, SOCK_STREAM, 0), poller = epoll_create1(0);
  CHECK(listen(listener, 1) == 0 && mkfifo("fifo", 0644) == 0);
  put_file("file", "");
  int a = open("file", O_RDONLY), b = open("file", O_RDONLY);
  CHECK(flock(a, LOCK_EX) == 0);
  pid_t child = fork();
  if (child == 0)
    for (;;) pause();
  on_signal(SIGALRM, handle, 0);
  struct itimerval every = {{0, 10000}, {0, 10000}}, never = {};
  CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
  CHECK_FAILS(accept(listener, NULL, NULL), EINTR);
  struct pollfd set = {listener, POLLIN, 0};
  CHECK_FAILS(poll(&set, 1, -1), EINTR);
  struct epoll_event event;
  CHECK_FAILS(epoll_wait(poller, &event, 1, -1), EINTR);
  CHECK_FAILS(waitpid(child, NULL, 0), EINTR);
  CHECK_FAILS(flock(b, LOCK_EX), EINTR);
  CHECK_FAILS(open("fifo", O_RDONLY), EINTR);
  CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
  CHECK(kill(child, SIGKILL) == 0 && wait_for(child) == 137);
  puts("ok: 6 calls interrupted");
}
