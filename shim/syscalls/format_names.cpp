// Names of numbers. Only those that help to understand a report; anything else prints as a number.
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <span>

#include "shim/syscalls/format_parts.h"

namespace mx::sys::format {
namespace {

struct Name {
  std::uint64_t value;
  const char* text;
};

#define MX_NAME(constant) \
  { static_cast<std::uint64_t>(constant), #constant }

constexpr Name kAccessModes[] = {MX_NAME(O_RDONLY), MX_NAME(O_WRONLY), MX_NAME(O_RDWR)};
// O_SYNC includes O_DSYNC, O_TMPFILE includes O_DIRECTORY: the larger ones come first. O_LARGEFILE
// is 0 for the compiler, but programs of other libraries pass the bit.
constexpr Name kOpenFlags[] = {
    MX_NAME(O_CREAT),   MX_NAME(O_EXCL),     MX_NAME(O_NOCTTY),    MX_NAME(O_TRUNC),
    MX_NAME(O_APPEND),  MX_NAME(O_NONBLOCK), MX_NAME(O_SYNC),      MX_NAME(O_DSYNC),
    MX_NAME(O_DIRECT),  MX_NAME(O_TMPFILE),  MX_NAME(O_DIRECTORY), MX_NAME(O_NOFOLLOW),
    MX_NAME(O_NOATIME), MX_NAME(O_CLOEXEC),  MX_NAME(O_PATH),      {0100000, "O_LARGEFILE"}};
constexpr Name kAccessBits[] = {MX_NAME(R_OK), MX_NAME(W_OK), MX_NAME(X_OK)};
constexpr Name kAtFlags[] = {MX_NAME(AT_SYMLINK_NOFOLLOW), MX_NAME(AT_SYMLINK_FOLLOW),
                             MX_NAME(AT_NO_AUTOMOUNT), MX_NAME(AT_EMPTY_PATH)};
constexpr Name kUnlinkFlags[] = {MX_NAME(AT_REMOVEDIR)};
constexpr Name kAccessAtFlags[] = {MX_NAME(AT_EACCESS), MX_NAME(AT_SYMLINK_NOFOLLOW),
                                   MX_NAME(AT_EMPTY_PATH)};
constexpr Name kWhence[] = {MX_NAME(SEEK_SET), MX_NAME(SEEK_CUR), MX_NAME(SEEK_END),
                            MX_NAME(SEEK_DATA), MX_NAME(SEEK_HOLE)};
constexpr Name kProtection[] = {MX_NAME(PROT_READ), MX_NAME(PROT_WRITE), MX_NAME(PROT_EXEC)};
constexpr Name kMapFlags[] = {
    MX_NAME(MAP_SHARED_VALIDATE), MX_NAME(MAP_SHARED),         MX_NAME(MAP_PRIVATE),
    MX_NAME(MAP_FIXED),           MX_NAME(MAP_ANONYMOUS),      MX_NAME(MAP_32BIT),
    MX_NAME(MAP_GROWSDOWN),       MX_NAME(MAP_DENYWRITE),      MX_NAME(MAP_NORESERVE),
    MX_NAME(MAP_LOCKED),          MX_NAME(MAP_POPULATE),       MX_NAME(MAP_STACK),
    MX_NAME(MAP_HUGETLB),         MX_NAME(MAP_FIXED_NOREPLACE)};
constexpr Name kAdvice[] = {MX_NAME(MADV_NORMAL),     MX_NAME(MADV_RANDOM),
                            MX_NAME(MADV_SEQUENTIAL), MX_NAME(MADV_WILLNEED),
                            MX_NAME(MADV_DONTNEED),   MX_NAME(MADV_FREE),
                            MX_NAME(MADV_DONTFORK),   MX_NAME(MADV_HUGEPAGE),
                            MX_NAME(MADV_NOHUGEPAGE), MX_NAME(MADV_DONTDUMP)};
constexpr Name kFamilies[] = {MX_NAME(AF_UNSPEC), MX_NAME(AF_UNIX),    MX_NAME(AF_INET),
                              MX_NAME(AF_INET6),  MX_NAME(AF_NETLINK), MX_NAME(AF_PACKET),
                              MX_NAME(AF_ALG),    MX_NAME(AF_VSOCK)};
constexpr Name kSocketTypes[] = {MX_NAME(SOCK_STREAM), MX_NAME(SOCK_DGRAM), MX_NAME(SOCK_RAW),
                                 MX_NAME(SOCK_SEQPACKET)};
constexpr Name kSocketFlags[] = {MX_NAME(SOCK_NONBLOCK), MX_NAME(SOCK_CLOEXEC)};
constexpr Name kMessageFlags[] = {
    MX_NAME(MSG_OOB),        MX_NAME(MSG_PEEK),     MX_NAME(MSG_DONTROUTE),
    MX_NAME(MSG_TRUNC),      MX_NAME(MSG_DONTWAIT), MX_NAME(MSG_EOR),
    MX_NAME(MSG_WAITALL),    MX_NAME(MSG_NOSIGNAL), MX_NAME(MSG_MORE),
    MX_NAME(MSG_WAITFORONE), MX_NAME(MSG_ERRQUEUE), MX_NAME(MSG_CMSG_CLOEXEC)};
constexpr Name kShutdownHow[] = {MX_NAME(SHUT_RD), MX_NAME(SHUT_WR), MX_NAME(SHUT_RDWR)};
constexpr Name kEpollOps[] = {MX_NAME(EPOLL_CTL_ADD), MX_NAME(EPOLL_CTL_DEL),
                              MX_NAME(EPOLL_CTL_MOD)};
constexpr Name kEpollBits[] = {{EPOLLIN, "EPOLLIN"},
                               {EPOLLPRI, "EPOLLPRI"},
                               {EPOLLOUT, "EPOLLOUT"},
                               {EPOLLERR, "EPOLLERR"},
                               {EPOLLHUP, "EPOLLHUP"},
                               {EPOLLRDHUP, "EPOLLRDHUP"},
                               {EPOLLET, "EPOLLET"},
                               {EPOLLONESHOT, "EPOLLONESHOT"},
                               {EPOLLEXCLUSIVE, "EPOLLEXCLUSIVE"},
                               {EPOLLWAKEUP, "EPOLLWAKEUP"},
                               {EPOLLRDNORM, "EPOLLRDNORM"}};
constexpr Name kPollBits[] = {MX_NAME(POLLIN),    MX_NAME(POLLPRI),    MX_NAME(POLLOUT),
                              MX_NAME(POLLERR),   MX_NAME(POLLHUP),    MX_NAME(POLLNVAL),
                              MX_NAME(POLLRDHUP), MX_NAME(POLLRDNORM), MX_NAME(POLLWRNORM)};
constexpr Name kFcntlCommands[] = {
    MX_NAME(F_DUPFD),      MX_NAME(F_GETFD),         MX_NAME(F_SETFD),      MX_NAME(F_GETFL),
    MX_NAME(F_SETFL),      MX_NAME(F_GETLK),         MX_NAME(F_SETLK),      MX_NAME(F_SETLKW),
    MX_NAME(F_SETOWN),     MX_NAME(F_GETOWN),        MX_NAME(F_OFD_GETLK),  MX_NAME(F_OFD_SETLK),
    MX_NAME(F_OFD_SETLKW), MX_NAME(F_DUPFD_CLOEXEC), MX_NAME(F_GETPIPE_SZ), MX_NAME(F_SETPIPE_SZ),
    MX_NAME(F_ADD_SEALS)};
constexpr Name kIoctlRequests[] = {
    MX_NAME(TCGETS),     MX_NAME(TCSETS),     MX_NAME(TCSETSW),    MX_NAME(TCSETSF),
    MX_NAME(TIOCGWINSZ), MX_NAME(TIOCSWINSZ), MX_NAME(TIOCGPGRP),  MX_NAME(TIOCSPGRP),
    MX_NAME(TIOCSCTTY),  MX_NAME(TIOCGPTN),   MX_NAME(TIOCSPTLCK), MX_NAME(FIONREAD),
    MX_NAME(FIONBIO),    MX_NAME(FIOASYNC),   MX_NAME(FIOCLEX),    MX_NAME(FIONCLEX)};
constexpr Name kClocks[] = {MX_NAME(CLOCK_REALTIME),
                            MX_NAME(CLOCK_MONOTONIC),
                            MX_NAME(CLOCK_PROCESS_CPUTIME_ID),
                            MX_NAME(CLOCK_THREAD_CPUTIME_ID),
                            MX_NAME(CLOCK_MONOTONIC_RAW),
                            MX_NAME(CLOCK_REALTIME_COARSE),
                            MX_NAME(CLOCK_MONOTONIC_COARSE),
                            MX_NAME(CLOCK_BOOTTIME),
                            MX_NAME(CLOCK_TAI)};
constexpr Name kTimerFlags[] = {MX_NAME(TIMER_ABSTIME)};
constexpr Name kMaskHow[] = {MX_NAME(SIG_BLOCK), MX_NAME(SIG_UNBLOCK), MX_NAME(SIG_SETMASK)};
constexpr Name kWaitOptions[] = {MX_NAME(WNOHANG),       MX_NAME(WUNTRACED),
                                 MX_NAME(WCONTINUED),    MX_NAME(WEXITED),
                                 MX_NAME(WNOWAIT),       {0x20000000, "__WNOTHREAD"},
                                 {0x40000000, "__WALL"}, {0x80000000, "__WCLONE"}};
// CLONE_CHILD_SETTID … by value: the low byte is the signal at the end, printed apart.
constexpr Name kCloneFlags[] = {MX_NAME(CLONE_VM),
                                MX_NAME(CLONE_FS),
                                MX_NAME(CLONE_FILES),
                                MX_NAME(CLONE_SIGHAND),
                                MX_NAME(CLONE_PIDFD),
                                MX_NAME(CLONE_PTRACE),
                                MX_NAME(CLONE_VFORK),
                                MX_NAME(CLONE_PARENT),
                                MX_NAME(CLONE_THREAD),
                                MX_NAME(CLONE_NEWNS),
                                MX_NAME(CLONE_SYSVSEM),
                                MX_NAME(CLONE_SETTLS),
                                MX_NAME(CLONE_PARENT_SETTID),
                                MX_NAME(CLONE_CHILD_CLEARTID),
                                MX_NAME(CLONE_CHILD_SETTID),
                                MX_NAME(CLONE_NEWCGROUP),
                                MX_NAME(CLONE_NEWUTS),
                                MX_NAME(CLONE_NEWIPC),
                                MX_NAME(CLONE_NEWUSER),
                                MX_NAME(CLONE_NEWPID),
                                MX_NAME(CLONE_NEWNET),
                                MX_NAME(CLONE_IO)};
constexpr Name kFutexOps[] = {MX_NAME(FUTEX_WAIT),
                              MX_NAME(FUTEX_WAKE),
                              MX_NAME(FUTEX_REQUEUE),
                              MX_NAME(FUTEX_CMP_REQUEUE),
                              MX_NAME(FUTEX_WAKE_OP),
                              MX_NAME(FUTEX_LOCK_PI),
                              MX_NAME(FUTEX_UNLOCK_PI),
                              MX_NAME(FUTEX_TRYLOCK_PI),
                              MX_NAME(FUTEX_WAIT_BITSET),
                              MX_NAME(FUTEX_WAKE_BITSET),
                              MX_NAME(FUTEX_WAIT_REQUEUE_PI),
                              MX_NAME(FUTEX_LOCK_PI2)};
constexpr Name kFutexFlags[] = {MX_NAME(FUTEX_PRIVATE_FLAG), MX_NAME(FUTEX_CLOCK_REALTIME)};
// The same bits serve pipe2, eventfd2, epoll_create1, inotify_init1, signalfd4, timerfd_create,
// dup3.
constexpr Name kNewFdFlags[] = {MX_NAME(O_CLOEXEC), MX_NAME(O_NONBLOCK), MX_NAME(O_DIRECT)};

#undef MX_NAME

std::string number(std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, "%#" PRIx64, value);
  return value == 0 ? "0" : text;
}

/// The name of one value, or an empty string.
std::string one_of(std::span<const Name> names, std::uint64_t value) {
  for (const Name& name : names) {
    if (name.value == value) return name.text;
  }
  return {};
}

void append(std::string& text, const std::string& more) {
  if (!text.empty()) text += "|";
  text += more;
}

/// Names of the bits of `value` added to `text`; what remains as a number.
std::string bits(std::span<const Name> names, std::uint64_t value, std::string text = {}) {
  for (const Name& name : names) {
    if (name.value == 0 || (value & name.value) != name.value) continue;
    append(text, name.text);
    value &= ~name.value;
  }
  if (value != 0 || text.empty()) append(text, number(value));
  return text;
}

/// As bits(), with the values below `unit` taken as a choice rather than as bits.
std::string choice_and_bits(std::span<const Name> choices, std::uint64_t unit,
                            std::span<const Name> flags, std::uint64_t value) {
  std::string text = one_of(choices, value % unit);
  if (text.empty()) text = number(value % unit);
  return value < unit ? text : bits(flags, value - value % unit, text);
}

std::string open_flags(std::uint64_t value) {
  return choice_and_bits(kAccessModes, 4, kOpenFlags, value);
}

std::string clone_flags(std::uint64_t value) {
  const int signal = static_cast<int>(value & 0xff);
  std::string text =
      (value & ~std::uint64_t{0xff}) != 0 ? bits(kCloneFlags, value & ~std::uint64_t{0xff}) : "";
  if (signal != 0) append(text, signal_name(signal));
  return text.empty() ? "0" : text;
}

std::string futex_operation(std::uint64_t value) {
  return choice_and_bits(kFutexOps, 128, kFutexFlags, value);
}

std::string protection(std::uint64_t value) {
  return value == 0 ? "PROT_NONE" : bits(kProtection, value);
}

std::string access_mode(std::uint64_t value) {
  return value == 0 ? "F_OK" : bits(kAccessBits, value);
}

/// Where a call has names, and which.
struct Rule {
  long nr;
  int arg;
  std::string (*text)(std::uint64_t);
};

template <const auto& kNames>
std::string choose(std::uint64_t value) {
  return one_of(kNames, value);
}

template <const auto& kNames>
std::string set(std::uint64_t value) {
  return bits(kNames, value);
}

std::string socket_type(std::uint64_t value) {
  return choice_and_bits(kSocketTypes, 16, kSocketFlags, value);
}

constexpr Rule kRules[] = {
    {kOpen, 1, open_flags},
    {kOpenat, 2, open_flags},
    {kMqOpen, 1, open_flags},
    {kAccess, 1, access_mode},
    {kFaccessat, 2, access_mode},
    {kFaccessat2, 2, access_mode},
    {kFaccessat2, 3, set<kAccessAtFlags>},
    {kNewfstatat, 3, set<kAtFlags>},
    {kStatx, 2, set<kAtFlags>},
    {kFchownat, 4, set<kAtFlags>},
    {kLinkat, 4, set<kAtFlags>},
    {kUtimensat, 3, set<kAtFlags>},
    {kExecveat, 4, set<kAtFlags>},
    {kUnlinkat, 2, set<kUnlinkFlags>},
    {kLseek, 2, choose<kWhence>},
    {kMmap, 2, protection},
    {kMmap, 3, set<kMapFlags>},
    {kMprotect, 2, protection},
    {kPkeyMprotect, 2, protection},
    {kMadvise, 2, choose<kAdvice>},
    {kSocket, 0, choose<kFamilies>},
    {kSocket, 1, socket_type},
    {kSocketpair, 0, choose<kFamilies>},
    {kSocketpair, 1, socket_type},
    {kAccept4, 3, set<kSocketFlags>},
    {kSendto, 3, set<kMessageFlags>},
    {kRecvfrom, 3, set<kMessageFlags>},
    {kSendmsg, 2, set<kMessageFlags>},
    {kRecvmsg, 2, set<kMessageFlags>},
    {kSendmmsg, 3, set<kMessageFlags>},
    {kRecvmmsg, 3, set<kMessageFlags>},
    {kShutdown, 1, choose<kShutdownHow>},
    {kEpollCtl, 1, choose<kEpollOps>},
    {kEpollCreate1, 0, set<kNewFdFlags>},
    {kPipe2, 1, set<kNewFdFlags>},
    {kEventfd2, 1, set<kNewFdFlags>},
    {kInotifyInit1, 0, set<kNewFdFlags>},
    {kSignalfd4, 3, set<kNewFdFlags>},
    {kTimerfdCreate, 1, set<kNewFdFlags>},
    {kDup3, 2, set<kNewFdFlags>},
    {kFcntl, 1, choose<kFcntlCommands>},
    {kIoctl, 1, choose<kIoctlRequests>},
    {kClockGettime, 0, choose<kClocks>},
    {kClockGetres, 0, choose<kClocks>},
    {kClockSettime, 0, choose<kClocks>},
    {kClockNanosleep, 0, choose<kClocks>},
    {kClockNanosleep, 1, set<kTimerFlags>},
    {kTimerCreate, 0, choose<kClocks>},
    {kTimerfdCreate, 0, choose<kClocks>},
    {kTimerfdSettime, 1, set<kTimerFlags>},
    {kTimerSettime, 1, set<kTimerFlags>},
    {kRtSigprocmask, 0, choose<kMaskHow>},
    {kWait4, 2, set<kWaitOptions>},
    {kWaitid, 3, set<kWaitOptions>},
    {kClone, 0, clone_flags},
    {kUnshare, 0, set<kCloneFlags>},
    {kFutex, 1, futex_operation},
};

}  // namespace

std::string named_value(const Call& call, int i) {
  for (const Rule& rule : kRules) {
    if (rule.nr == call.desc.nr && rule.arg == i) return rule.text(masked(call.desc, i, call.args));
  }
  return {};
}

std::string signal_name(int signal) {
  const char* name = sigabbrev_np(signal);
  return name == nullptr ? std::to_string(signal) : std::string("SIG") + name;
}

std::string address_family(unsigned family) {
  const std::string name = one_of(kFamilies, family);
  return name.empty() ? std::to_string(family) : name;
}

std::string poll_events(std::uint32_t events) { return bits(kPollBits, events); }

std::string epoll_events(std::uint32_t events) { return bits(kEpollBits, events); }

}  // namespace mx::sys::format
