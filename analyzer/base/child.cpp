#include "analyzer/base/child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <exception>

namespace mx::analyzer {
namespace {

constexpr int kStatusThrew = 3;
constexpr int kStatusNoMemory = 4;
constexpr int kStatusWriteFailed = 5;

// Pages mapped right now; RLIMIT_AS counts these too.
uint64_t mapped_bytes() {
  unsigned long pages = 0;
  if (FILE* f = std::fopen("/proc/self/statm", "re")) {
    if (std::fscanf(f, "%lu", &pages) != 1) pages = 0;
    std::fclose(f);
  }
  return uint64_t{pages} * 4096;
}

void set_limit(decltype(RLIMIT_AS) which, uint64_t value) {
  rlimit limit{value, value};
  setrlimit(which, &limit);
}

bool write_all(int fd, const std::vector<uint8_t>& bytes) {
  for (size_t done = 0; done < bytes.size();) {
    ssize_t n = ::write(fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    done += static_cast<size_t>(n);
  }
  return true;
}

[[noreturn]] void child_main(int fd, const ChildLimits& limits,
                             const std::function<std::vector<uint8_t>()>& work) {
  for (int sig : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGTERM, SIGINT}) signal(sig, SIG_DFL);
  if (int null = open("/dev/null", O_RDWR | O_CLOEXEC); null >= 0) {
    dup2(null, 1);
    dup2(null, 2);
  }
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_CPU, limits.cpu_seconds);
#ifndef MX_NO_ADDRESS_LIMIT
  set_limit(RLIMIT_AS, mapped_bytes() + limits.memory_bytes);
#endif
  int status = 0;
  try {
    std::vector<uint8_t> bytes = work();
    if (!write_all(fd, bytes)) status = kStatusWriteFailed;
  } catch (const std::bad_alloc&) {
    status = kStatusNoMemory;
  } catch (const std::exception&) {
    status = kStatusThrew;
  }
  _exit(status);
}

// Waits for the child to end; kills it when the time is over. Returns false then.
bool wait_for(pid_t pid, int milliseconds, int* status) {
  int pidfd = static_cast<int>(syscall(SYS_pidfd_open, pid, 0));
  bool in_time = true;
  if (pidfd >= 0) {
    pollfd p{pidfd, POLLIN, 0};
    int n;
    do n = poll(&p, 1, milliseconds);
    while (n < 0 && errno == EINTR);
    in_time = n > 0;
    close(pidfd);
  }
  if (!in_time) kill(pid, SIGKILL);
  while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
  }
  return in_time;
}

std::string why_it_failed(int status) {
  if (WIFSIGNALED(status)) {
    int sig = WTERMSIG(status);
    if (sig == SIGXCPU || sig == SIGKILL) return "its parser used too much processor time";
    return std::string("its parser died of signal ") + strsignal(sig) + " (malformed file)";
  }
  switch (WEXITSTATUS(status)) {
    case kStatusNoMemory:
      return "its parser needs more memory than the limit (malformed file)";
    case kStatusWriteFailed:
      return "its parser could not hand over the result";
    default:
      return "its parser refused it (malformed file)";
  }
}

}  // namespace

Result<std::vector<uint8_t>> run_in_child(const std::string& what, const ChildLimits& limits,
                                          const std::function<std::vector<uint8_t>()>& work) {
  int fd = memfd_create("mx-analyzer", MFD_CLOEXEC);
  if (fd < 0) return Error{what + ": memfd_create failed: " + strerror(errno)};
  pid_t pid = fork();
  if (pid < 0) {
    close(fd);
    return Error{what + ": fork failed: " + strerror(errno)};
  }
  if (pid == 0) child_main(fd, limits, work);
  int status = 0;
  bool in_time = wait_for(pid, limits.wall_milliseconds, &status);
  if (!in_time || status != 0) {
    close(fd);
    return Error{what + ": " + (in_time ? why_it_failed(status) : "its parser took too long")};
  }
  struct stat st {};
  std::vector<uint8_t> bytes;
  if (fstat(fd, &st) == 0) bytes.resize(static_cast<size_t>(st.st_size));
  size_t done = 0;
  while (done < bytes.size()) {
    ssize_t n = pread(fd, bytes.data() + done, bytes.size() - done, static_cast<off_t>(done));
    if (n <= 0) break;
    done += static_cast<size_t>(n);
  }
  close(fd);
  if (done != bytes.size()) return Error{what + ": reading the parser's result failed"};
  return bytes;
}

}  // namespace mx::analyzer
