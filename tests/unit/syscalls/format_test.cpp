// A call as a line of text.
#include "shim/syscalls/format.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "shim/syscalls/find.h"

namespace mx::sys {
namespace {

/// Reads this process, as the kernel would: an address without memory fails.
bool read_self(std::uint64_t address, void* buffer, std::size_t length) {
  const iovec local{buffer, length};
  const iovec remote{reinterpret_cast<void*>(address), length};
  return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(length);
}

std::uint64_t at(const void* pointer) { return reinterpret_cast<std::uint64_t>(pointer); }

struct Args {
  std::uint64_t values[kMaxArgs];
};

std::string line(long nr, Args args, std::int64_t ret) {
  return format_call(describe(nr), args.values, ret, read_self);
}

TEST(Find, ByName) {
  EXPECT_EQ(find("openat"), &describe(kOpenat));
  EXPECT_EQ(find("landlock_create_ruleset"), &describe(kLandlockCreateRuleset));
  EXPECT_EQ(find("open_at"), nullptr);
  EXPECT_EQ(find("unknown"), nullptr);
  EXPECT_EQ(find(""), nullptr);
}

TEST(Format, PathFlagsAndError) {
  EXPECT_EQ(
      line(kOpenat, {{static_cast<std::uint32_t>(AT_FDCWD), at("/etc/no"), O_RDONLY | O_CLOEXEC}},
           -ENOENT),
      "openat(AT_FDCWD, \"/etc/no\", O_RDONLY|O_CLOEXEC, 0) = -1 ENOENT (No such file or "
      "directory)");
  EXPECT_EQ(line(kOpen, {{at("f"), O_RDWR | O_CREAT | O_TRUNC, 0644}}, 3),
            "open(\"f\", O_RDWR|O_CREAT|O_TRUNC, 0644) = 3");
}

TEST(Format, BufferIsEscapedAndCut) {
  EXPECT_EQ(line(kWrite, {{1, at("a \"b\"\n\t\0011\377"), 10}}, 10),
            "write(1, \"a \\\"b\\\"\\n\\t\\0011\\377\", 10) = 10");
  const std::string big(100, 'x');
  EXPECT_EQ(line(kWrite, {{1, at(big.data()), 100}}, 100),
            "write(1, \"" + std::string(32, 'x') + "\"..., 100) = 100");
}

TEST(Format, ReadShowsWhatArrived) {
  const char buffer[] = "hello world";
  EXPECT_EQ(line(kRead, {{0, at(buffer), 4096}}, 5), "read(0, \"hello\", 4096) = 5");
  EXPECT_EQ(line(kRead, {{0, 0x1000, 4096}}, -EINTR),
            "read(0, 0x1000, 4096) = -1 EINTR (Interrupted system call)");
  EXPECT_EQ(line(kRead, {{0, at(buffer), 4096}}, -512),
            "read(0, " + std::string(line(kBrk, {{at(buffer)}}, 0).substr(4, 14)) +
                ", 4096) = -1 ERESTARTSYS (To be restarted if SA_RESTART is set)");
}

TEST(Format, PendingCallShowsInputAndNoOutput) {
  const std::uint64_t write[kMaxArgs] = {1, at("abc"), 3};
  EXPECT_EQ(format_pending(describe(kWrite), write, read_self), "write(1, \"abc\", 3) = ?");
  const std::uint64_t read[kMaxArgs] = {0, 0x7000, 64};
  EXPECT_EQ(format_pending(describe(kRead), read, read_self), "read(0, 0x7000, 64) = ?");
}

TEST(Format, MemoryThatCannotBeReadIsAnAddress) {
  EXPECT_EQ(line(kWrite, {{1, 0x10, 5}}, -EFAULT), "write(1, 0x10, 5) = -1 EFAULT (Bad address)");
  EXPECT_EQ(line(kUnlink, {{0x10}}, -EFAULT), "unlink(0x10) = -1 EFAULT (Bad address)");
  EXPECT_EQ(line(kUnlink, {{0}}, -EFAULT), "unlink(NULL) = -1 EFAULT (Bad address)");
  const std::uint64_t args[kMaxArgs] = {at("x")};
  const std::string text = format_call(describe(kUnlink), args, 0, read_nothing);
  EXPECT_EQ(text.substr(0, 9), "unlink(0x");
}

TEST(Format, StringAtTheEndOfMappedMemory) {
  constexpr std::size_t kPage = 4096;
  auto* pages = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(pages, MAP_FAILED);
  ASSERT_EQ(munmap(pages + kPage, kPage), 0);
  std::strcpy(pages + kPage - 5, "last");
  EXPECT_EQ(line(kChdir, {{at(pages + kPage - 5)}}, 0), "chdir(\"last\") = 0");
  munmap(pages, kPage);
}

TEST(Format, StringOfExactlyTheLimitIsNotCut) {
  const std::string exact(32, 'y'), longer(33, 'y');
  EXPECT_EQ(line(kChdir, {{at(exact.c_str())}}, 0), "chdir(\"" + exact + "\") = 0");
  EXPECT_EQ(line(kChdir, {{at(longer.c_str())}}, 0), "chdir(\"" + exact + "\"...) = 0");
}

TEST(Format, Vectors) {
  char first[] = "one", second[] = "two!";
  const iovec iov[2] = {{first, 3}, {second, 4}};
  EXPECT_EQ(line(kWritev, {{1, at(iov), 2}}, 7),
            "writev(1, [{iov_base=\"one\", iov_len=3}, {iov_base=\"two!\", iov_len=4}], 2) = 7");
  // Five bytes arrived: three in the first buffer, two in the second.
  EXPECT_EQ(line(kReadv, {{0, at(iov), 2}}, 5),
            "readv(0, [{iov_base=\"one\", iov_len=3}, {iov_base=\"tw\", iov_len=4}], 2) = 5");
}

TEST(Format, Messages) {
  char text[] = "data";
  iovec iov{text, 4};
  msghdr message{};
  message.msg_iov = &iov;
  message.msg_iovlen = 1;
  EXPECT_EQ(line(kSendmsg, {{5, at(&message), MSG_NOSIGNAL}}, 4),
            "sendmsg(5, {msg_iov=[{iov_base=\"data\", iov_len=4}]}, MSG_NOSIGNAL) = 4");
  mmsghdr many[2] = {{message, 4}, {message, 2}};
  EXPECT_EQ(line(kRecvmmsg, {{5, at(many), 2, 0, 0}}, 2),
            "recvmmsg(5, [{msg_iov=[{iov_base=\"data\", iov_len=4}]}, {msg_iov=[{iov_base=\"da\", "
            "iov_len=4}]}], 2, "
            "0, NULL) = 2");
}

TEST(Format, SocketAddresses) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  in.sin_port = htons(8080);
  in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(line(kBind, {{3, at(&in), sizeof in}}, -EADDRINUSE),
            "bind(3, {AF_INET, 127.0.0.1:8080}, 16) = -1 EADDRINUSE (Address already in use)");
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_port = htons(80);
  in6.sin6_addr = in6addr_loopback;
  int length = sizeof in6;
  EXPECT_EQ(line(kAccept, {{3, at(&in6), at(&length)}}, 7),
            "accept(3, {AF_INET6, [::1]:80}, [28]) = 7");
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::strcpy(un.sun_path, "/run/x");
  EXPECT_EQ(line(kConnect, {{3, at(&un), sizeof un}}, 0),
            "connect(3, {AF_UNIX, \"/run/x\"}, 110) = 0");
  EXPECT_EQ(line(kSocket, {{AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0}}, 4),
            "socket(AF_INET, SOCK_STREAM|SOCK_CLOEXEC, 0) = 4");
}

TEST(Format, WaitingForDescriptors) {
  const pollfd fds[1] = {{5, POLLIN, POLLIN | POLLHUP}};
  EXPECT_EQ(line(kPoll, {{at(fds), 1, 1000}}, 1),
            "poll([{fd=5, events=POLLIN, revents=POLLIN|POLLHUP}], 1, 1000) = 1");
  epoll_event events[6];
  for (auto& event : events) event = {EPOLLIN, {.u64 = 9}};
  const std::string one = "{events=EPOLLIN, data=0x9}";
  EXPECT_EQ(line(kEpollWait, {{4, at(events), 64, static_cast<std::uint64_t>(-1)}}, 6),
            "epoll_wait(4, [" + one + ", " + one + ", " + one + ", " + one + ", ...], 64, -1) = 6");
  EXPECT_EQ(line(kEpollCtl, {{4, EPOLL_CTL_ADD, 7, at(events)}}, 0),
            "epoll_ctl(4, EPOLL_CTL_ADD, 7, " + one + ") = 0");
}

TEST(Format, StructuresAndValues) {
  const timespec time{3, 500};
  EXPECT_EQ(line(kClockGettime, {{CLOCK_MONOTONIC, at(&time)}}, 0),
            "clock_gettime(CLOCK_MONOTONIC, {tv_sec=3, tv_nsec=500}) = 0");
  const int fds[2] = {3, 4};
  EXPECT_EQ(line(kPipe2, {{at(fds), O_CLOEXEC}}, 0), "pipe2([3, 4], O_CLOEXEC) = 0");
  struct stat status {};
  status.st_mode = S_IFREG | 0640;
  status.st_size = 1234;
  EXPECT_EQ(line(kFstat, {{3, at(&status)}}, 0),
            "fstat(3, {st_mode=S_IFREG|0640, st_size=1234, ...}) = 0");
  EXPECT_EQ(line(kKill, {{static_cast<std::uint64_t>(-5), SIGTERM}}, 0), "kill(-5, SIGTERM) = 0");
  EXPECT_EQ(line(kChown, {{at("f"), 0xffffffff, 100}}, 0), "chown(\"f\", -1, 100) = 0");
  EXPECT_EQ(line(kUmask, {{022}}, 027), "umask(022) = 027");
  EXPECT_EQ(line(kFutex, {{0x1000, 128, 2}}, 0),
            "futex(0x1000, FUTEX_WAIT|FUTEX_PRIVATE_FLAG, 2, NULL, NULL, 0) = 0");
}

TEST(Format, MemoryMapping) {
  EXPECT_EQ(
      line(kMmap, {{0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0xffffffff, 0}},
           0x7f0000001000),
      "mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0) = 0x7f0000001000");
  EXPECT_EQ(line(kMprotect, {{0x1000, 4096, PROT_NONE}}, 0),
            "mprotect(0x1000, 4096, PROT_NONE) = 0");
}

TEST(Format, Processes) {
  const char* argv[] = {"sh", "-c", "true", nullptr};
  const char* envp[] = {"A=1", "B=2", "C=3", "D=4", "E=5", nullptr};
  EXPECT_EQ(line(kExecve, {{at("/bin/sh"), at(argv), at(envp)}}, 0),
            "execve(\"/bin/sh\", [\"sh\", \"-c\", \"true\"], [\"A=1\", \"B=2\", \"C=3\", \"D=4\", "
            "...]) = 0");
  EXPECT_EQ(line(kClone, {{CLONE_CHILD_CLEARTID | SIGCHLD, 0, 0, 0x10, 0}}, 77),
            "clone(CLONE_CHILD_CLEARTID|SIGCHLD, NULL, NULL, 0x10, NULL) = 77");
  EXPECT_EQ(line(kExitGroup, {{3}}, 0), "exit_group(3) = ?");
}

TEST(Format, UnknownNumberPrintsItsRegisters) {
  EXPECT_EQ(line(9999, {{1, 2, 3, 4, 5, 0x60}}, -ENOSYS),
            "unknown(0x1, 0x2, 0x3, 0x4, 0x5, 0x60) = -1 ENOSYS (Function not implemented)");
}

/// No call may crash the printer, whatever its registers and the memory hold.
TEST(Format, EveryCallWithEveryKindOfGarbage) {
  alignas(16) static std::uint8_t garbage[4096];
  for (std::size_t i = 0; i < sizeof garbage; ++i) garbage[i] = static_cast<std::uint8_t>(i * 37);
  const std::uint64_t values[] = {
      0, 1, 7, at(garbage), 0x10, ~std::uint64_t{0}, 0x8000000000000000};
  for (const Desc& desc : detail::kTable) {
    for (std::uint64_t value : values) {
      for (std::int64_t ret :
           {std::int64_t{0}, std::int64_t{8}, std::int64_t{-22}, INT64_MAX, INT64_MIN}) {
        const std::uint64_t args[kMaxArgs] = {value,       at(garbage), value,
                                              at(garbage), value,       at(garbage)};
        const std::string text = format_call(desc, args, ret, read_self);
        EXPECT_EQ(text.rfind(std::string(desc.name) + "(", 0), 0u) << text;
        EXPECT_LT(text.size(), 2500u) << text;
      }
    }
  }
}

}  // namespace
}  // namespace mx::sys
