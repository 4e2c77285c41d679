// Structures that are worth reading in a report, and socket addresses.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <utility>

#include "shim/syscalls/format_parts.h"

namespace mx::sys::format {
namespace {

std::string pair(const char* first, std::int64_t a, const char* second, std::int64_t b) {
  return std::string("{") + first + "=" + std::to_string(a) + ", " + second + "=" +
         std::to_string(b) + "}";
}

std::string limit(rlim_t value) {
  return value == RLIM_INFINITY ? "RLIM_INFINITY" : std::to_string(value);
}

std::string file_type(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "S_IFREG";
    case S_IFDIR:
      return "S_IFDIR";
    case S_IFLNK:
      return "S_IFLNK";
    case S_IFSOCK:
      return "S_IFSOCK";
    case S_IFIFO:
      return "S_IFIFO";
    case S_IFCHR:
      return "S_IFCHR";
    case S_IFBLK:
      return "S_IFBLK";
    default:
      return "0";
  }
}

std::string file_status(mode_t mode, std::uint64_t size) {
  char permissions[16];
  std::snprintf(permissions, sizeof permissions, "%#o", mode & 07777);
  return "{st_mode=" + file_type(mode) + "|" + permissions + ", st_size=" + std::to_string(size) +
         ", ...}";
}

std::string timespec_text(const struct timespec& time) {
  return pair("tv_sec", time.tv_sec, "tv_nsec", time.tv_nsec);
}

std::string timeval_text(const struct timeval& time) {
  return pair("tv_sec", time.tv_sec, "tv_usec", time.tv_usec);
}

template <typename T, typename Text>
std::string one(const Reader& reader, std::uint64_t at, Text text) {
  const auto value = read<T>(reader, at);
  return value ? text(*value) : std::string();
}

}  // namespace

std::string structure_at(const Reader& reader, Struct type, std::uint64_t at) {
  switch (type) {
    case Struct::kTimespec:
      return one<struct timespec>(reader, at, timespec_text);
    case Struct::kTimeval:
      return one<struct timeval>(reader, at, timeval_text);
    case Struct::kItimerspec:
      return one<struct itimerspec>(reader, at, [](const struct itimerspec& timer) {
        return "{it_interval=" + timespec_text(timer.it_interval) +
               ", it_value=" + timespec_text(timer.it_value) + "}";
      });
    case Struct::kItimerval:
      return one<struct itimerval>(reader, at, [](const struct itimerval& timer) {
        return "{it_interval=" + timeval_text(timer.it_interval) +
               ", it_value=" + timeval_text(timer.it_value) + "}";
      });
    case Struct::kPollfd:
      return one<struct pollfd>(reader, at, [](const struct pollfd& poll) {
        return "{fd=" + std::to_string(poll.fd) +
               ", events=" + poll_events(static_cast<std::uint16_t>(poll.events)) +
               ", revents=" + poll_events(static_cast<std::uint16_t>(poll.revents)) + "}";
      });
    case Struct::kEpollEvent:
      return one<struct epoll_event>(reader, at, [](const struct epoll_event& event) {
        return "{events=" + epoll_events(event.events) + ", data=" + address(event.data.u64) + "}";
      });
    case Struct::kRlimit:
      return one<struct rlimit>(reader, at, [](const struct rlimit& limits) {
        return "{rlim_cur=" + limit(limits.rlim_cur) + ", rlim_max=" + limit(limits.rlim_max) + "}";
      });
    case Struct::kStat:
      return one<struct stat>(reader, at, [](const struct stat& status) {
        return file_status(status.st_mode, static_cast<std::uint64_t>(status.st_size));
      });
    case Struct::kStatx:
      return one<struct statx>(reader, at, [](const struct statx& status) {
        return file_status(status.stx_mode, status.stx_size);
      });
    case Struct::kFdPair:
      return one<std::pair<int, int>>(reader, at, [](const std::pair<int, int>& fds) {
        return "[" + std::to_string(fds.first) + ", " + std::to_string(fds.second) + "]";
      });
    case Struct::kI32:
      return one<std::int32_t>(reader, at,
                               [](std::int32_t n) { return "[" + std::to_string(n) + "]"; });
    case Struct::kU32:
      return one<std::uint32_t>(reader, at,
                                [](std::uint32_t n) { return "[" + std::to_string(n) + "]"; });
    case Struct::kI64:
      return one<std::int64_t>(reader, at,
                               [](std::int64_t n) { return "[" + std::to_string(n) + "]"; });
    default:
      return {};
  }
}

std::string socket_address(const Reader& reader, std::uint64_t at, std::uint64_t size) {
  sockaddr_storage storage{};
  const std::size_t length = std::min<std::uint64_t>(size, sizeof storage);
  if (length < sizeof(sa_family_t) || !reader(at, &storage, length)) return address(at);
  char text[INET6_ADDRSTRLEN] = "";
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(&storage);
  if (storage.ss_family == AF_INET && length >= sizeof(sockaddr_in)) {
    const auto* in = reinterpret_cast<const sockaddr_in*>(&storage);
    inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
    return std::string("{AF_INET, ") + text + ":" + std::to_string(ntohs(in->sin_port)) + "}";
  }
  if (storage.ss_family == AF_INET6 && length >= sizeof(sockaddr_in6)) {
    const auto* in = reinterpret_cast<const sockaddr_in6*>(&storage);
    inet_ntop(AF_INET6, &in->sin6_addr, text, sizeof text);
    return std::string("{AF_INET6, [") + text + "]:" + std::to_string(ntohs(in->sin6_port)) + "}";
  }
  std::size_t name = length - sizeof(sa_family_t);
  const std::uint8_t* start = bytes + sizeof(sa_family_t);
  // A path ends at its NUL; an abstract name begins with one and fills the rest.
  if (storage.ss_family == AF_UNIX && name > 0 && start[0] != 0)
    name = strnlen(reinterpret_cast<const char*>(start), name);
  const std::size_t shown = std::min(name, kMaxString);
  return "{" + address_family(storage.ss_family) + ", " + quoted(start, shown, name > shown) + "}";
}

}  // namespace mx::sys::format
