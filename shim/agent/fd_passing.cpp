#include "shim/agent/fd_passing.h"

#include "shim/agent/kernel.h"
#include "shim/agent/lane.h"
#include "shim/agent/record_locks.h"

namespace mx::agent {

namespace {

constexpr uint32_t kMost = 253;  // SCM_MAX_FD
constexpr uint64_t kUnix = 1, kSeqpacket = 5, kCloexec = 02000000, kNonblock = 04000;
constexpr int32_t kSocketLevel = 1, kRights = 1;
constexpr uint64_t kDontWait = 0x40, kCmsgCloexec = 0x40000000;

struct Rights {  // struct cmsghdr, with what it holds
  uint64_t size;
  int32_t level, type;
  int32_t fd[kMost + 1];  // an even number: padding
};

struct Letter {
  Msghdr header{};
  Iovec data;
  uint32_t first = 0;  // place in the list; a message holds one byte at least
  Rights rights;

  Letter() {
    data = {reinterpret_cast<uint64_t>(&first), sizeof first};
    header.iov = reinterpret_cast<uint64_t>(&data);
    header.iovlen = 1;
    header.control = reinterpret_cast<uint64_t>(&rights);
    header.controllen = sizeof rights;
  }
};

constexpr uint64_t kRightsHeader = 16;

bool send_some(int socket, const int32_t* list, uint32_t first, uint32_t count) {
  Letter l;
  l.first = first;
  l.rights.size = kRightsHeader + 4 * count;
  l.rights.level = kSocketLevel;
  l.rights.type = kRights;
  for (uint32_t i = 0; i < count; i++) l.rights.fd[i] = number_of(list[first + i]);
  l.header.controllen = kRightsHeader + ((4 * count + 7) & ~7u);
  return !is_error(sys(__NR_sendmsg, socket, &l.header, kDontWait));
}

// All that fit stand in the socket when the survivor opens it.
void send_descriptors(Process* p) {
  const auto* list =
      reinterpret_cast<const int32_t*>(lane_scratch(p->fd_list_lane % stream::kMaxLanes));
  const uint32_t n = p->fd_count;
  int32_t ends[2];
  p->fd_socket = -1;
  if (!is_error(sys(__NR_socketpair, kUnix, kSeqpacket | kCloexec | kNonblock, 0, ends))) {
    for (uint32_t at = 0; at < n && n <= stream::kLaneScratch / sizeof *list; at += kMost)
      if (!send_some(ends[0], list, at, n - at < kMost ? n - at : kMost)) break;
    sys(__NR_close, ends[0]);
    p->fd_socket = ends[1];
  }
}

// To its number; `flag`: whether it has FD_CLOEXEC where it is.
void put(int came, int32_t entry, bool flag) {
  const int fd = number_of(entry);
  const bool cloexec = entry < 0;
  if (came != fd) {
    sys(__NR_dup3, came, fd, cloexec ? kCloexec : 0);
    sys(__NR_close, came);
  } else if (cloexec != flag) {
    sys(__NR_fcntl, fd, 2 /*F_SETFD*/, cloexec);
  }
}

// The number where each of them belongs is free, and so is every number between them that it has
// come to: from the highest on, none is in another one's way.
void place(const int32_t* list, const int32_t* came, uint32_t count, bool flag) {
  for (uint32_t i = count; i-- > 0;) put(came[i], list[i], flag);
}

// Whether most of them are to have FD_CLOEXEC: a call for each of the others.
bool mostly_cloexec(const int32_t* list, uint32_t count) {
  uint32_t with = 0;
  for (uint32_t i = 0; i < count; i++) with += list[i] < 0;
  return 2 * with > count;
}

void close_numbers(const int32_t* list, uint32_t count) {
  for (uint32_t i = 0, j; i < count; i = j) {
    for (j = i + 1; j < count && number_of(list[j]) == number_of(list[j - 1]) + 1;) j++;
    sys(__NR_close_range, number_of(list[i]), number_of(list[j - 1]), 0);
  }
}

void serve(Process* p, uint32_t request) {
  if (request == kWeakenLocks) weaken_locks(p);
  if (request == kSendThem) send_descriptors(p);
  if (p->descriptors_taken.compare_exchange_strong(request, kServed))
    futex_wake(&p->descriptors_taken, 8);
}

}  // namespace

bool ask_holder(Process* p, DescriptorsTaken request) {
  constexpr int kStepMs = 20, kSteps = 50;
  p->descriptors_taken.store(request);
  futex_wake(&p->descriptors_taken, 8);
  for (int i = 0; i < kSteps && p->descriptors_taken.load() == request; i++)
    futex_wait(&p->descriptors_taken, request, kStepMs);
  return p->descriptors_taken.load() == kServed;
}

void await_descriptors_taken(Process* p, const Word& survivor) {
  constexpr int kLookMs = 200;
  for (uint32_t now; (now = p->descriptors_taken.load()) != kTaken && now != kLetGo;) {
    if (now == kWeakenLocks || now == kSendThem) {
      serve(p, now);
      continue;
    }
    futex_wait(&p->descriptors_taken, now, kLookMs);
    if (!survivor.load()) return;
  }
}

uint32_t receive_descriptors(Thread* t, int holder, const int32_t* list, uint32_t count) {
  Process* p = t->proc->shared;
  if (!ask_holder(p, kSendThem) || p->fd_socket < 0) return 0;
  const long fetched = sys(__NR_pidfd_getfd, holder, p->fd_socket, 0);
  if (is_error(fetched)) return 0;
  const int socket = clear_of(list, count, static_cast<int>(fetched));
  const bool clear = !in_list(list, count, socket);
  if (clear) close_numbers(list, count);
  uint32_t at = 0;
  while (clear && at < count) {
    Letter l;
    l.rights.size = 0;
    const uint32_t wanted = count - at < kMost ? count - at : kMost;
    const bool flag = mostly_cloexec(list + at, wanted);
    const long n = sys(__NR_recvmsg, socket, &l.header, kDontWait | (flag ? kCmsgCloexec : 0));
    if (n != sizeof l.first || l.rights.size <= kRightsHeader || l.first != at) break;
    const auto came = static_cast<uint32_t>((l.rights.size - kRightsHeader) / 4);
    place(list + at, l.rights.fd, came < wanted ? came : wanted, flag);
    at += came < wanted ? came : wanted;
    if (came < wanted) break;  // no more numbers are free: the rest of this letter is lost
  }
  sys(__NR_close, socket);
  return at;
}

bool fetch_descriptor_of(int holder, int32_t entry) {
  const long came = sys(__NR_pidfd_getfd, holder, number_of(entry), 0);
  if (is_error(came)) return false;
  put(static_cast<int>(came), entry, true);
  return true;
}

bool in_list(const int32_t* list, uint32_t count, long fd) {
  for (uint32_t i = 0; i < count; i++)
    if (number_of(list[i]) == fd) return true;
  return false;
}

namespace {
// A copy at the first free number from `from` on, or an error.
long copied_clear_of(const int32_t* list, uint32_t count, int fd, long from) {
  const long copy = sys(__NR_fcntl, fd, kDupfdCloexec, from);
  if (is_error(copy) || !in_list(list, count, copy)) return copy;
  sys(__NR_close, copy);
  return kEbadf;
}
}  // namespace

int clear_of(const int32_t* list, uint32_t count, int fd) {
  constexpr long kBelow = 16;
  const long reserved = control()->settings.reserved_fd;
  const long top = count ? number_of(list[count - 1]) : 0;
  // Just below the arena's. Above it the table of descriptors has to grow, and in a process with
  // threads the kernel waits for RCU then: 10 to 14 ms at 250 Hz (expand_fdtable() in fs/file.c).
  long moved = reserved > kBelow ? copied_clear_of(list, count, fd, reserved - kBelow) : kEbadf;
  if (is_error(moved))
    moved = copied_clear_of(list, count, fd, (top > reserved ? top : reserved) + 1);
  // A low limit (containers often have 1024): into any gap.
  for (long free = 0; is_error(moved) && free < reserved; free++) {
    if (!in_list(list, count, free)) moved = copied_clear_of(list, count, fd, free);
  }
  if (is_error(moved)) return fd;
  sys(__NR_close, fd);
  return static_cast<int>(moved);
}

}  // namespace mx::agent
