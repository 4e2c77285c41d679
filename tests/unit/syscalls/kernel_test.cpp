// The sizes of the table against the running kernel: each call is made twice with its output
// buffers filled with different bytes; what neither run left as it was has been written, and has to
// end where bytes_out() says.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "shim/syscalls/syscalls.h"

namespace mx::sys {
namespace {

using Args = std::array<std::uint64_t, 6>;

constexpr std::size_t kRoom = 1 << 16;

std::int64_t raw_call(long nr, const Args& a) {
  const long ret = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
  return ret == -1 ? -errno : ret;
}

std::uint64_t at(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

/// One call whose output is measured. Output arguments are set to buffers of its own.
class Probe {
 public:
  /// `prepare` runs before each of the two calls, after the buffers were filled.
  Probe(long nr, Args args, std::function<void(Probe&)> prepare = {})
      : desc_(describe(nr)), args_(args), prepare_(std::move(prepare)) {
    for (int i = 0; i < desc_.nargs; ++i) {
      if ((desc_.out_mask >> i & 1) == 0) continue;
      for (auto& run : buffers_) run[i] = std::make_unique<std::uint8_t[]>(kRoom);
    }
  }

  /// The buffer of output argument `i` in the present run.
  std::uint8_t* buffer(int i) { return buffers_[run_][i].get(); }
  void set(int i, std::uint64_t value) { args_[i] = value; }

  /// Makes the call twice. Returns the result of the second.
  std::int64_t run() {
    for (run_ = 0; run_ < 2; ++run_) {
      for (int i = 0; i < desc_.nargs; ++i) {
        if (buffer(i) == nullptr) continue;
        std::memset(buffer(i), fill(), kRoom);
        args_[i] = at(buffer(i));
      }
      if (prepare_) prepare_(*this);
      for (int i = 0; i < desc_.nargs; ++i) before_[i] = size_word(i);
      ret_ = raw_call(desc_.nr, args_);
    }
    run_ = 1;
    return ret_;
  }

  /// Compares what was written with bytes_out(). `slack`: bytes at the end that the kernel leaves
  /// alone (padding).
  void check(std::size_t slack = 0) {
    for (int i = 0; i < desc_.nargs; ++i) {
      if (buffer(i) == nullptr || args_[i] == 0) continue;
      const std::size_t expected =
          bytes_out(desc_, i, args_.data(), ret_, before_[i], size_word(i));
      const std::size_t written = extent(i);
      EXPECT_LE(written, expected) << desc_.name << " argument " << i;
      if (desc_.args[i].kind == ArgKind::kInOut)
        continue;  // what was put in hides what was written
      EXPECT_GE(written + slack, expected) << desc_.name << " argument " << i;
    }
  }

 private:
  int fill() const { return run_ == 0 ? 0x00 : 0xff; }

  std::uint32_t size_word(int i) const {
    const std::uint64_t address = size_word_address(desc_, i, args_.data());
    std::uint32_t word = 0;
    if (address != 0) std::memcpy(&word, reinterpret_cast<void*>(address), sizeof word);
    return word;
  }

  /// Offset behind the last byte that at least one run changed.
  std::size_t extent(int i) const {
    std::size_t n = kRoom;
    while (n > 0 && buffers_[0][i][n - 1] == 0x00 && buffers_[1][i][n - 1] == 0xff) --n;
    return n;
  }

  const Desc& desc_;
  Args args_;
  std::function<void(Probe&)> prepare_;
  std::array<std::unique_ptr<std::uint8_t[]>, 6> buffers_[2];
  std::uint32_t before_[6] = {};
  int run_ = 0;
  std::int64_t ret_ = 0;
};

void succeeds(long nr, Args args, std::size_t slack = 0, std::function<void(Probe&)> prepare = {}) {
  Probe probe(nr, args, std::move(prepare));
  ASSERT_GE(probe.run(), 0) << name(describe(nr));
  probe.check(slack);
}

/// True if the kernel is at least this version; a call that is younger must answer ENOSYS.
bool kernel_has(int major, int minor) {
  utsname names;
  int have_major = 0, have_minor = 0;
  uname(&names);
  std::sscanf(names.release, "%d.%d", &have_major, &have_minor);
  return have_major > major || (have_major == major && have_minor >= minor);
}

template <typename T>
void put(Probe& probe, int i, const T& value) {
  std::memcpy(probe.buffer(i), &value, sizeof value);
}

/// A connected pair over TCP on 127.0.0.1, and the socket that listens.
struct Connection {
  int listener, client;
  Connection() : listener(socket(AF_INET, SOCK_STREAM, 0)), client(-1) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener, reinterpret_cast<sockaddr*>(&address), length) != 0 ||
        listen(listener, 8) != 0 ||
        getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0) {
      ADD_FAILURE() << "no listener: " << std::strerror(errno);
    }
    connect_again();
  }
  ~Connection() {
    close(listener);
    close(client);
  }
  /// One more connection waits to be accepted.
  void connect_again() {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length);
    if (client >= 0) close(client);
    client = socket(AF_INET, SOCK_STREAM, 0);
    ASSERT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), length), 0);
  }
};

TEST(Kernel, FileStatus) {
  const int fd = open("/", O_RDONLY | O_DIRECTORY);
  succeeds(kStat, {at("/")}, 24);  // the last three words are unused
  succeeds(kLstat, {at("/")}, 24);
  succeeds(kFstat, {static_cast<std::uint64_t>(fd)}, 24);
  succeeds(kNewfstatat, {static_cast<std::uint64_t>(AT_FDCWD), at("/")}, 24);
  succeeds(kStatx, {static_cast<std::uint64_t>(AT_FDCWD), at("/"), 0, 0x7ff});
  succeeds(kStatfs, {at("/")});
  succeeds(kFstatfs, {static_cast<std::uint64_t>(fd)});
  struct stat status;
  ASSERT_EQ(fstat(fd, &status), 0);
  succeeds(kUstat, {status.st_dev}, 4);
  close(fd);
}

TEST(Kernel, NamesAndDirectories) {
  const int fd = open("/", O_RDONLY | O_DIRECTORY);
  const auto rewind = [fd](Probe&) { lseek(fd, 0, SEEK_SET); };
  succeeds(kReadlink, {at("/proc/self/exe"), 0, 4096});
  succeeds(kReadlinkat, {static_cast<std::uint64_t>(AT_FDCWD), at("/proc/self/exe"), 0, 3});
  succeeds(kGetcwd, {0, 4096});
  // Records are padded to eight bytes.
  succeeds(kGetdents64, {static_cast<std::uint64_t>(fd), 0, 4096}, 8, rewind);
  succeeds(kGetdents, {static_cast<std::uint64_t>(fd), 0, 4096}, 8, rewind);
  close(fd);
}

TEST(Kernel, ReadingFillsAsMuchAsItSays) {
  const auto fd = static_cast<std::uint64_t>(open("/proc/self/exe", O_RDONLY));
  succeeds(kPread64, {fd, 0, 100, 0});
  succeeds(kRead, {fd, 0, 64}, 64);  // an ELF header's bytes
  close(static_cast<int>(fd));
  succeeds(kGetrandom, {0, 256, 0}, 2);
}

TEST(Kernel, Clocks) {
  succeeds(kClockGettime, {CLOCK_REALTIME},
           5);  // the upper bytes of small numbers are zero in both runs
  succeeds(kClockGetres, {CLOCK_MONOTONIC});
  succeeds(kGettimeofday, {});
  succeeds(kTime, {});
  succeeds(kTimes, {});
  succeeds(kGetitimer, {ITIMER_REAL});
  succeeds(kAdjtimex, {}, 0, [](Probe& probe) {
    std::memset(probe.buffer(0), 0, 208);  // modes: nothing is changed
  });
}

TEST(Kernel, AboutTheProcess) {
  succeeds(kUname, {});
  succeeds(kSysinfo, {}, 4);  // ends in padding
  succeeds(kGetrusage, {0});
  succeeds(kGetrlimit, {7});
  succeeds(kPrlimit64, {0, 7, 0, 0});
  succeeds(kGetresuid, {});
  succeeds(kGetresgid, {});
  succeeds(kGetcpu, {});
  succeeds(kGetgroups, {0});
  succeeds(kGetgroups, {64});
  succeeds(kSchedGetparam, {0});
  succeeds(kSchedGetaffinity, {0, 128});
  succeeds(kSchedRrGetInterval, {0});
  succeeds(kSchedGetattr, {0, 0, 48, 0});
  succeeds(kSchedGetattr, {0, 0, 4096, 0}, 4096 - 48);  // older kernels leave the rest alone
}

TEST(Kernel, SignalStructures) {
  succeeds(kRtSigaction, {SIGUSR1, 0, 0, 8});
  succeeds(kRtSigprocmask, {SIG_BLOCK, 0, 0, 8});
  succeeds(kRtSigpending, {0, 8});
  succeeds(kSigaltstack, {0, 0});
}

TEST(Kernel, NewDescriptors) {
  const auto check_and_close = [](long nr, Args args, int i) {
    int fds[2] = {-1, -1};
    Probe probe(nr, args);
    ASSERT_EQ(probe.run(), 0);
    probe.check();
    std::memcpy(fds, probe.buffer(i), sizeof fds);
    for (int fd : {fds[0], fds[1], fds[0] - 2, fds[1] - 2})
      close(fd);  // the second run's and the first's
  };
  check_and_close(kPipe, {}, 0);
  check_and_close(kPipe2, {0, O_CLOEXEC}, 0);
  check_and_close(kSocketpair, {AF_UNIX, SOCK_STREAM, 0}, 3);
}

TEST(Kernel, PollWritesItsArray) {
  succeeds(kPoll, {0, 2, 0}, 0, [](Probe& probe) {
    const pollfd fds[2] = {{1, POLLOUT, 0}, {-1, POLLIN, 0}};
    put(probe, 0, fds);
  });
  succeeds(kPpoll, {0, 1, 0, 0, 8}, 0, [](Probe& probe) {
    put(probe, 0, pollfd{1, POLLOUT, 0});
    put(probe, 2, timespec{1, 0});
  });
}

TEST(Kernel, SelectWritesWholeWords) {
  succeeds(kSelect, {65}, 0, [](Probe& probe) {
    for (int set = 1; set <= 3; ++set) std::memset(probe.buffer(set), 0, 16);
    put(probe, 4, timeval{0, 0});
  });
}

TEST(Kernel, EpollEventsArePacked) {
  const int epoll = epoll_create1(0);
  int pipes[2][2];
  for (auto& fds : pipes) {
    ASSERT_EQ(pipe(fds), 0);
    epoll_event event{EPOLLOUT, {.u64 = 0xa5a5a5a5a5a5a5a5}};
    ASSERT_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[1], &event), 0);
  }
  const auto fd = static_cast<std::uint64_t>(epoll);
  succeeds(kEpollWait, {fd, 0, 8, 1000});
  succeeds(kEpollPwait, {fd, 0, 8, 1000, 0, 8});
  for (auto& fds : pipes) {
    close(fds[0]);
    close(fds[1]);
  }
  close(epoll);
}

TEST(Kernel, AddressesAreCutToTheCapacity) {
  Connection connection;
  const auto with_room = [](std::uint32_t room, int i) {
    return [room, i](Probe& probe) { put(probe, i, room); };
  };
  const auto client = static_cast<std::uint64_t>(connection.client);
  succeeds(kGetsockname, {client}, 8, with_room(128, 2));  // sin_zero is zero
  succeeds(kGetpeername, {client}, 0, with_room(6, 2));
  succeeds(kGetsockopt, {client, SOL_SOCKET, SO_RCVBUF}, 0, with_room(64, 4));
  for (std::uint32_t room : {128u, 5u}) {
    std::vector<int> accepted;
    Probe probe(kAccept, {static_cast<std::uint64_t>(connection.listener)}, [&](Probe& p) {
      connection.connect_again();
      put(p, 2, room);
    });
    const std::int64_t fd = probe.run();
    ASSERT_GE(fd, 0);
    probe.check(8);
    close(static_cast<int>(fd));
  }
}

TEST(Kernel, TruncatedDatagramFillsTheBufferOnly) {
  int fds[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
  Probe probe(kRecvfrom, {static_cast<std::uint64_t>(fds[0]), 0, 10, MSG_TRUNC}, [&](Probe& p) {
    ASSERT_EQ(send(fds[1], "a datagram of many bytes", 24, 0), 24);
    p.set(4, 0);
    p.set(5, 0);
  });
  EXPECT_EQ(probe.run(), 24);
  probe.check();
  close(fds[0]);
  close(fds[1]);
}

TEST(Kernel, WaitWritesOnlyForAChild) {
  const pid_t child = fork();
  if (child == 0) {
    pause();
    _exit(0);
  }
  Probe none(kWait4, {static_cast<std::uint64_t>(child), 0, WNOHANG});
  EXPECT_EQ(none.run(), 0);
  none.check();
  kill(child, SIGKILL);
  Probe dead(kWaitid, {P_PID, static_cast<std::uint64_t>(child), 0, WEXITED | WNOWAIT});
  EXPECT_EQ(dead.run(), 0);
  dead.check(128 - 28);  // of siginfo only the fields for SIGCHLD
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
}

TEST(Kernel, NanosleepWritesTheRestWhenInterrupted) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  sigaction(SIGALRM, &action, nullptr);
  const timespec ten{10, 0}, nothing{0, 1};
  Probe interrupted(kNanosleep, {at(&ten)}, [](Probe&) {
    const itimerval soon{{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &soon, nullptr);
  });
  EXPECT_EQ(interrupted.run(), -EINTR);
  interrupted.check();
  Probe whole(kNanosleep, {at(&nothing)});
  EXPECT_EQ(whole.run(), 0);
  whole.check();
}

TEST(Kernel, Timers) {
  sigevent event{};
  event.sigev_notify = SIGEV_NONE;
  Probe probe(kTimerCreate, {CLOCK_MONOTONIC, at(&event)});
  ASSERT_EQ(probe.run(), 0);
  probe.check();
  std::uint32_t timer;
  std::memcpy(&timer, probe.buffer(2), sizeof timer);
  succeeds(kTimerGettime, {timer});
  const itimerspec never{};
  succeeds(kTimerSettime, {timer, 0, at(&never)});
  for (std::uint32_t id : {timer, timer - 1}) raw_call(kTimerDelete, {id});
  const auto fd = static_cast<std::uint64_t>(raw_call(kTimerfdCreate, {CLOCK_MONOTONIC, 0}));
  succeeds(kTimerfdGettime, {fd});
  succeeds(kTimerfdSettime, {fd, 0, at(&never)});
  close(static_cast<int>(fd));
}

TEST(Kernel, MessagesHaveTheirTypeInFront) {
  const int queue = msgget(IPC_PRIVATE, 0600);
  ASSERT_GE(queue, 0);
  Probe probe(kMsgrcv, {static_cast<std::uint64_t>(queue), 0, 64, 0, 0}, [queue](Probe&) {
    const struct {
      long type;
      char text[5];
    } message{1, "mxmx"};
    ASSERT_EQ(msgsnd(queue, &message, 5, 0), 0);
  });
  EXPECT_EQ(probe.run(), 5);
  probe.check();
  msgctl(queue, IPC_RMID, nullptr);
}

TEST(Kernel, HandleTellsItsSize) {
  const auto cwd = static_cast<std::uint64_t>(AT_FDCWD);
  const auto with_room = [](std::uint32_t room) {
    return [room](Probe& probe) { put(probe, 2, room); };
  };
  Probe small(kNameToHandleAt, {cwd, at("/etc")}, with_room(0));
  EXPECT_EQ(small.run(), -EOVERFLOW);
  small.check(4);  // the mount id is written as well
  succeeds(kNameToHandleAt, {cwd, at("/etc")}, 0, with_room(128));
}

TEST(Kernel, MountsTellTheirLength) {
  struct {
    std::uint32_t size, spare;
    std::uint64_t mount_id, parameter;
  } request{24, 0, ~std::uint64_t{0}, 0};  // LSMT_ROOT: the root of the mount namespace
  std::uint64_t first = 0;
  Probe list(kListmount, {at(&request), 0, 4, 0});
  const std::int64_t mounts = list.run();
  ASSERT_TRUE(kernel_has(6, 8) ? mounts > 0 : mounts == -ENOSYS) << mounts;
  list.check(6);  // the numbers are small
  if (mounts < 0) return;
  std::memcpy(&first, list.buffer(1), sizeof first);
  request.mount_id = first;
  request.parameter = 0x2 | 0x10;  // STATMOUNT_MNT_BASIC, STATMOUNT_MNT_POINT
  succeeds(kStatmount, {at(&request), 0, 4096, 0});
}

TEST(Kernel, CallsOfNewKernels) {
  const auto fd = static_cast<std::uint64_t>(open("/proc/self/exe", O_RDONLY));
  const std::uint64_t range[2] = {0, 0};
  Probe cachestat(kCachestat, {fd, at(range), 0, 0});
  EXPECT_EQ(cachestat.run(), kernel_has(6, 5) ? 0 : -ENOSYS);
  cachestat.check();
  close(static_cast<int>(fd));

  Probe modules(kLsmListModules, {}, [](Probe& probe) { put(probe, 1, std::uint32_t{4096}); });
  const std::int64_t listed = modules.run();
  EXPECT_TRUE(kernel_has(6, 8) ? listed >= 0 : listed == -ENOSYS) << listed;
  modules.check();
}

}  // namespace
}  // namespace mx::sys
