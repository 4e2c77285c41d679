// A signal handler tells the program of a signal by a pointer in a pipe, as libuv does.
// expect: ok: 3 signals told
#include "check.h"

struct watcher {
  int signal, count;
};

struct message {
  struct watcher* watcher;
  int signal;
};

static int ends[2];
static struct watcher* watchers[2];

static void tell(int signal) {
  for (int i = 0; i < 2; i++) {
    struct message message = {watchers[i], signal};
    if (watchers[i]->signal == signal)
      CHECK(write(ends[1], &message, sizeof message) == sizeof message);
  }
}

int main(void) {
  CHECK(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  for (int i = 0; i < 2; i++) {
    CHECK((watchers[i] = malloc((size_t)4096 * (i + 1))) != NULL);
    *watchers[i] = (struct watcher){i ? SIGUSR2 : SIGUSR1, 0};
    on_signal(watchers[i]->signal, tell, SA_RESTART);
  }
  CHECK(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0 &&
        kill(getpid(), SIGUSR1) == 0);
  struct message messages[8];
  CHECK(read(ends[0], messages, sizeof messages) == 3 * sizeof *messages);
  for (int i = 0; i < 3; i++) {
    CHECK(messages[i].watcher->signal == messages[i].signal);
    messages[i].watcher->count++;
  }
  CHECK(watchers[0]->count == 2 && watchers[1]->count == 1);
  puts("ok: 3 signals told");
}
