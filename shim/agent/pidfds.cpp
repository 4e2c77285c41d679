#include "shim/agent/pidfds.h"

#include "shim/agent/children.h"
#include "shim/agent/fds.h"

namespace mx::agent {

namespace {

constexpr int kMostPidfds = 256;
struct Pidfd {
  int32_t fd, vpid;
};
Pidfd pidfds[kMostPidfds];
uint32_t next_pidfd;

}  // namespace

void localise_pidfd_open(Call& c) {
  localise_new_fd(c);
  if (c.ret < 0 || !valid_fd(c.ret)) return;
  fd_bits(c.t, static_cast<int>(c.ret)) |= kFdPidfd;
  Pidfd* place = nullptr;
  for (Pidfd& p : pidfds)  // a closed one's number
    if (p.vpid && p.fd == c.ret) place = &p;
  if (!place) place = &pidfds[next_pidfd++ % kMostPidfds];
  *place = {static_cast<int32_t>(c.ret), static_cast<int32_t>(c.args[0])};
}

int32_t pidfd_target(Thread* t, uint64_t fd) {
  if (!valid_fd(fd) || !(fd_bits(t, static_cast<int>(fd)) & kFdPidfd)) return 0;
  for (const Pidfd& p : pidfds)
    if (p.fd == static_cast<int32_t>(fd)) return p.vpid;
  return 0;
}

// In a version that has taken over: to the process that acts for the one that was named, if it
// still does.
long perform_pidfd_send_signal(Call& c) {
  int32_t vpid = c.t->proc->promoted ? pidfd_target(c.t, c.args[0]) : 0;
  if (!vpid || !find_pair(vpid)) return execute(c);
  int32_t real = acting_id(c.t, vpid);
  if (!c.args[2]) return sys(__NR_kill, real, c.args[1]);
  return sys(__NR_rt_sigqueueinfo, real, c.args[1], c.args[2]);
}

}  // namespace mx::agent
