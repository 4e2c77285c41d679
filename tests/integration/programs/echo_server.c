// An epoll server: numbers the lines of each connection and sends them back, by read/write or
// recv/send in turn. With a second argument so many more threads, which make calls all the time;
// with a third one it opens so many descriptors first. Built with -DTHREADS=N so many threads
// serve, each its own connections. Built with -DBAD it dies of a line "fault".
#include <arpa/inet.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { kConnections = 8192 };
static struct {
  char in[4096];
  size_t used;
  long lines;
} connections[kConnections];

static void put(int fd, const char* text, size_t n) {
  while (n) {
    ssize_t done = fd % 2 ? send(fd, text, n, MSG_NOSIGNAL) : write(fd, text, n);
    if (done <= 0) exit(3);
    text += done;
    n -= (size_t)done;
  }
}

__attribute__((noipa)) static void look_at(const char* line) {
#ifdef BAD
  if (!strncmp(line, "fault\n", 6)) __asm__ volatile("ud2");
#else
  (void)line;
#endif
}

static void serve(int fd) {
  char* in = connections[fd].in;
  size_t* used = &connections[fd].used;
  size_t room = sizeof connections[fd].in - *used;
  ssize_t n = fd % 3 ? recv(fd, in + *used, room, fd % 3 == 2 ? MSG_DONTWAIT : 0)
                     : read(fd, in + *used, room);
  if (n <= 0) {
    close(fd);
    memset(&connections[fd], 0, sizeof connections[fd]);
    return;
  }
  *used += (size_t)n;
  char *line = in, *end;
  while ((end = memchr(line, '\n', *used - (size_t)(line - in)))) {
    char out[4200];
    look_at(line);
    int size =
        snprintf(out, sizeof out, "%ld %.*s\n", ++connections[fd].lines, (int)(end - line), line);
    put(fd, out, (size_t)size);
    line = end + 1;
  }
  *used -= (size_t)(line - in);
  memmove(in, line, *used);
}

#ifdef THREADS
static int sets[THREADS];

static void* serve_set(void* set) {
  struct epoll_event ready[64];
  for (;;) {
    int n = epoll_wait((int)(long)set, ready, 64, -1);
    for (int i = 0; i < n; i++) serve(ready[i].data.fd);
  }
  return NULL;
}

static int set_of(int fd, int main_set) {
  (void)main_set;
  return sets[fd % THREADS];
}

static void start_threads(void) {
  pthread_t thread;
  for (long i = 0; i < THREADS; i++) {
    sets[i] = epoll_create1(0);
    pthread_create(&thread, NULL, serve_set, (void*)(long)sets[i]);
  }
}
#else
static int set_of(int fd, int main_set) {
  (void)fd;
  return main_set;
}

static void start_threads(void) {}
#endif

static void* be_busy(void* null) {
  for (;;) {
    if (write((int)(long)null, "", 1) != 1) exit(4);
    usleep(100);
  }
}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  signal(SIGPIPE, SIG_IGN);
  struct sockaddr_in at = {.sin_family = AF_INET,
                           .sin_port = htons(atoi(argv[1])),
                           .sin_addr = {htonl(INADDR_LOOPBACK)}};
  int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1, set = epoll_create1(0);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr*)&at, sizeof at) || listen(listener, 128)) return 1;
  struct epoll_event e = {.events = EPOLLIN, .data = {.fd = listener}}, ready[64];
  epoll_ctl(set, EPOLL_CTL_ADD, listener, &e);
  long null = open("/dev/null", O_WRONLY);
  pthread_t thread;
  struct rlimit limit = {kConnections, kConnections};
  if (argc > 3 && setrlimit(RLIMIT_NOFILE, &limit)) return 5;
  for (int i = argc > 3 ? atoi(argv[3]) : 0; i > 0; i--)
    if (dup((int)null) < 0) return 6;
  for (int i = argc > 2 ? atoi(argv[2]) : 0; i > 0; i--)
    pthread_create(&thread, NULL, be_busy, (void*)null);
  start_threads();
  for (;;) {
    int n = epoll_wait(set, ready, 64, -1);
    for (int i = 0; i < n; i++) {
      int fd = ready[i].data.fd;
      if (fd != listener) {
        serve(fd);
        continue;
      }
      int got = accept(listener, NULL, NULL);
      if (got < 0 || got >= kConnections) return 4;
      e = (struct epoll_event){.events = EPOLLIN, .data = {.fd = got}};
      epoll_ctl(set_of(got, set), EPOLL_CTL_ADD, got, &e);
    }
  }
}
