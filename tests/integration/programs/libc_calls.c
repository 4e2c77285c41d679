/* A server whose answers go through many functions of the C library: libcs make them by different
   system calls. Usage: libc_calls PORT FOLDER. Each line is a request: "files", "descriptors",
   "waits", "child", "thread", "pid"; "end" ends it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char answer[4096];

static void tell(const char* what, long result) {
  size_t n = strlen(answer);
  snprintf(answer + n, sizeof answer - n, " %s %ld", what, result < 0 ? -errno : result);
}

static void files(void) {
  struct stat st;
  char text[64];
  int fd = open("a", O_RDWR | O_CREAT | O_TRUNC, 0640);
  tell("open", fd >= 0);
  tell("write", write(fd, "hello", 5));
  tell("fstat", fstat(fd, &st) == 0 ? (long)st.st_size : -1);
  tell("chmod", chmod("a", 0600));
  tell("stat", stat("a", &st) == 0 ? (long)st.st_mode : -1);
  tell("missing", stat("none", &st));
  tell("access", access("a", R_OK | W_OK));
  tell("faccessat", faccessat(AT_FDCWD, "none", F_OK, 0));
  tell("rename", rename("a", "b"));
  tell("link", link("b", "c"));
  tell("symlink", symlink("b", "d"));
  tell("readlink", readlink("d", text, sizeof text));
  tell("lstat", lstat("d", &st) == 0 ? (long)S_ISLNK(st.st_mode) : -1);
  tell("mkdir", mkdir("e", 0700));
  tell("again", mkdir("e", 0700));
  tell("rmdir", rmdir("e"));
  tell("mknod", mknod("f", S_IFIFO | 0600, 0));
  tell("creat", close(creat("g", 0600)));
  tell("chown", chown("g", getuid(), getgid()));
  tell("lchown", lchown("d", getuid(), getgid()));
  const char* names[] = {"b", "c", "d", "f", "g"};
  for (int i = 0; i < 5; i++) tell("unlink", unlink(names[i]));
  tell("close", close(fd));
}

static void descriptors(void) {
  int ends[2];
  char text[8];
  sigset_t none;
  sigemptyset(&none);
  tell("pipe", pipe(ends));
  tell("write", write(ends[1], "abc", 3));
  tell("dup2", dup2(ends[0], 100));
  tell("dup3", dup3(ends[1], 101, O_CLOEXEC));
  tell("read", read(100, text, sizeof text));
  int fds[] = {eventfd(3, 0),
               epoll_create(5),
               inotify_init(),
               signalfd(-1, &none, 0),
               ends[0],
               ends[1],
               100,
               101};
  for (int i = 0; i < 8; i++) tell("fd", fds[i] >= 0);
  for (int i = 0; i < 8; i++) tell("close", close(fds[i]));
}

/* (What is left of select's timeout is not told: glibc's has the kernel's value, musl's leaves it
 * alone.) */
static void waits(void) {
  int ends[2];
  fd_set set;
  struct timeval soon = {0, 2000}, later = {5, 0};
  struct timespec nap = {0, 1000000};
  if (pipe(ends)) exit(2);
  FD_ZERO(&set);
  FD_SET(ends[0], &set);
  tell("select", select(ends[0] + 1, &set, 0, 0, &soon));
  if (write(ends[1], "x", 1) != 1) exit(2);
  FD_SET(ends[0], &set);
  tell("select", select(ends[0] + 1, &set, 0, 0, &later));
  struct pollfd one = {ends[0], POLLIN, 0};
  tell("poll", poll(&one, 1, 1000));
  tell("nanosleep", nanosleep(&nap, 0));
  close(ends[0]);
  close(ends[1]);
}

static void child(void) {
  int status = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(access("/", F_OK) == 0 ? 7 : 8);
  tell("fork", pid > 0);
  tell("wait", waitpid(pid, &status, 0) == pid);
  tell("status", WEXITSTATUS(status));
}

static void* work(void* argument) {
  *(long*)argument = dup2(1, 102);
  return 0;
}

static void thread(void) {
  pthread_t t;
  long result = -1;
  tell("create", pthread_create(&t, 0, work, &result));
  tell("join", pthread_join(t, 0));
  tell("result", result);
  close(102);
}

static void serve(int client, const char* line) {
  answer[0] = 0;
  if (strcmp(line, "files") == 0) files();
  if (strcmp(line, "descriptors") == 0) descriptors();
  if (strcmp(line, "waits") == 0) waits();
  if (strcmp(line, "child") == 0) child();
  if (strcmp(line, "thread") == 0) thread();
  if (strcmp(line, "end") == 0) exit(0);
  strcat(answer, "\n");
  if (write(client, answer, strlen(answer)) < 0) exit(3);
}

int main(int argc, char** argv) {
  if (argc != 3 || chdir(argv[2])) return 2;
  int listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0), on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((unsigned short)atoi(argv[1])),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  if (bind(listener, (struct sockaddr*)&address, sizeof address) || listen(listener, 8)) return 4;
  struct epoll_event event = {EPOLLIN, {.fd = listener}};
  epoll_ctl(set, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    char line[64];
    if (epoll_wait(set, &event, 1, -1) != 1) continue;
    int fd = event.data.fd;
    if (fd == listener) {
      int client = accept(listener, 0, 0);
      struct epoll_event more = {EPOLLIN, {.fd = client}};
      epoll_ctl(set, EPOLL_CTL_ADD, client, &more);
      continue;
    }
    ssize_t n = read(fd, line, sizeof line - 1);
    if (n <= 0) {
      close(fd);
      continue;
    }
    line[n - 1] = 0;
    serve(fd, line);
  }
}
