#include "shim/agent/readiness.h"

#include "shim/agent/doubt.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr int16_t kPollIn = 1, kPollOut = 4;

int16_t waits_for(long nr) {
  if (reads_or_accepts(nr)) return kPollIn;
  switch (nr) {
    case __NR_write:
    case __NR_writev:
    case __NR_sendto:
    case __NR_sendmsg:
    case __NR_sendmmsg:
    case __NR_sendfile:
      return kPollOut;
    default:
      return 0;
  }
}

// (sendfile writes to its first argument, as the others do.)
bool is_ready(int fd, int16_t events) {
  struct {
    int32_t fd;
    int16_t events, revents;
  } look{fd, events, 0};
  return sys(__NR_poll, &look, 1, 0) == 1 && look.revents;
}

bool has_news(uint64_t type, int64_t id, uint64_t options) {
  constexpr uint64_t kNoHang = 1, kNoWait = 0x01000000;
  Siginfo info{};
  const long answer = sys(__NR_waitid, type, id, &info, options | kNoHang | kNoWait, 0);
  return is_error(answer) || info.signo;
}

// As wait4(2) names them.
bool has_child_to_tell(int32_t pid, uint64_t options) {
  constexpr uint64_t kAll = 0, kPid = 1, kGroup = 2, kExited = 4;
  if (pid > 0) return has_news(kPid, pid, options | kExited);
  if (pid == -1) return has_news(kAll, 0, options | kExited);
  return has_news(kGroup, -int64_t{pid}, options | kExited);
}

}  // namespace

bool need_not_wait(const Call& c) {
  if (c.nr == __NR_wait4) return has_child_to_tell(static_cast<int32_t>(c.exec[0]), c.exec[2]);
  if (c.nr == __NR_waitid) return has_news(c.exec[0], static_cast<int64_t>(c.exec[1]), c.exec[3]);
  const int16_t events = waits_for(c.nr);
  return events && is_ready(static_cast<int>(c.exec[0]), events);
}

}  // namespace mx::agent
