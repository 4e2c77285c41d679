#include "shim/agent/carried_fds.h"

#include "shim/agent/borrowed.h"
#include "shim/agent/failover.h"
#include "shim/agent/fd_passing.h"
#include "shim/agent/fds.h"
#include "shim/agent/keeper.h"
#include "shim/agent/pair.h"
#include "shim/agent/record_locks.h"

namespace mx::agent {

namespace {

bool gives_descriptors(int pidfd) {
  const long one = sys(__NR_pidfd_getfd, pidfd, control()->settings.reserved_fd, 0);
  if (!is_error(one)) sys(__NR_close, one);
  return !is_error(one);
}

// Once the stand-in has told its list (and is the survivor's user for the kernel). A process whose
// first thread has ended has no descriptors for the kernel (pidfd_getfd(2)): another thread has,
// since Linux 6.9, and so has the keeper as long as the program has not changed its user. `pidfd`
// if there is no better one.
int one_that_gives(Thread* t, int pidfd) {
  constexpr uint64_t kOfThread = 0200;  // PIDFD_THREAD
  const BorrowsNumber borrows(t);
  if (gives_descriptors(pidfd)) return pidfd;
  int best = -1;
  const auto look = [&best](int32_t id, uint64_t flags) {
    if (best >= 0 || id <= 0) return;
    const long other = sys(__NR_pidfd_open, id, flags);
    if (is_error(other)) return;
    if (gives_descriptors(static_cast<int>(other)))
      best = static_cast<int>(other);
    else
      sys(__NR_close, other);
  };
  each_lane(t->proc->shared, [&](const Lane& l) {
    look(l.real_tid[index_of(stream::other(t->proc->version))], kOfThread);
  });
  look(t->proc->shared->keeper_pid, 0);
  if (best < 0) return pidfd;
  sys(__NR_close, pidfd);
  return aside(best);
}

// Asks the husk (or the keeper of a dead leader) for the list of open descriptors.
bool ask_for_list(Thread* t, bool dead) {
  Process* p = t->proc->shared;
  p->fd_list_lane = t->lane_index;
  p->survivor_uid = static_cast<uint32_t>(sys(__NR_getuid));
  p->survivor_gid = static_cast<uint32_t>(sys(__NR_getgid));
  p->fd_list_state.store(1);
  futex_wake(&p->fd_list_state, 8);
  if (dead) wake_keepers(p);  // a husk answers when all its threads stand still: not before
  auto pending = [p] { return p->fd_list_state.load() == 1 || p->fd_list_state.load() == 3; };
  for (int i = 0; i < 200 && pending(); i++)
    futex_wait(&p->fd_list_state, p->fd_list_state.load(), 20);
  return p->fd_list_state.load() == 2;
}

// Until the copies on the other side are closed, no pipe sees its end and no lock is free.
void await_closed(Process* p, bool dead, int pidfd) {
  constexpr int kLimitMs = 2000, kStepMs = 20;  // it is sure to come to that, when it gets a core
  if (dead) {
    struct {
      int32_t fd;
      int16_t events, revents;
    } exited{pidfd, 1 /*POLLIN*/, 0};
    for (int waited = 0; waited < kLimitMs;) {
      long ended = sys(__NR_poll, &exited, 1, kStepMs);
      if (ended > 0) return p->descriptors_taken.store(kLetGo);
      if (ended != kEintr) waited += kStepMs;  // a kick is no step
    }
    return;
  }
  for (int i = 0; i < kLimitMs / kStepMs && p->descriptors_taken.load() == kTaken; i++)
    futex_wait(&p->descriptors_taken, kTaken, kStepMs);
}

// What is private to this version stays its own. Returns how many are left.
uint32_t leave_out_private(Thread* t, int32_t* list, uint32_t count) {
  uint32_t kept = 0;
  for (uint32_t i = 0; i < count; i++) {
    const int fd = number_of(list[i]);
    if (!fd_private(t, fd) && !fd_leader_only(t, fd)) list[kept++] = list[i];
  }
  return kept;
}

}  // namespace

FdHolder list_descriptors(Thread* t) {
  Process* p = t->proc->shared;
  const bool dead = !p->alive[index_of(stream::other(t->proc->version))].load();
  const int holder = dead ? p->keeper_pid : twin_pid(t);
  BorrowsNumber borrows(t);
  long pidfd = holder > 0 ? sys(__NR_pidfd_open, holder, 0) : kEbadf;
  if (is_error(pidfd)) return {dead, -1};
  pidfd = aside(static_cast<int>(pidfd));
  borrows.give_back();
  if (ask_for_list(t, dead))
    return {dead, dead ? static_cast<int>(pidfd) : one_that_gives(t, static_cast<int>(pidfd))};
  sys(__NR_close, pidfd);
  return {dead, -1};
}

int take_descriptors(Thread* t, FdHolder from) {
  const OwnsAllNumbers mine(t);
  Process* p = t->proc->shared;
  auto* list = reinterpret_cast<int32_t*>(lane_scratch(p->fd_list_lane));
  constexpr uint32_t kMostListed = stream::kLaneScratch / sizeof *list;
  const uint32_t listed = p->fd_count;
  p->fd_count = leave_out_private(t, list, listed < kMostListed ? listed : kMostListed);
  const int pidfd =
      in_list(list, p->fd_count, from.pidfd) ? clear_of(list, p->fd_count, from.pidfd) : from.pidfd;
  int taken = 0;
  forget_carried();
  const bool clear = !in_list(list, p->fd_count, pidfd);
  const uint32_t came = clear ? receive_descriptors(t, pidfd, list, p->fd_count) : 0;
  for (uint32_t i = 0; i < p->fd_count; i++) {
    // One by one: what did not come by the socket.
    if (i >= came && !fetch_descriptor_of(pidfd, list[i])) continue;
    note_carried(number_of(list[i]));
    taken++;
  }
  const uint32_t locks = share_record_locks(t);
  p->descriptors_taken.store(kTaken);
  futex_wake(&p->descriptors_taken, 8);
  await_closed(p, from.dead, pidfd);
  sys(__NR_close, pidfd);
  own_record_locks(t, locks);
  return taken;
}

int fetch_descriptor(Thread* t, int fd) {
  // The keeper shares the table; it has the rights with which it was made, and a program that has
  // changed its user since may ask its leader only, which has changed as well.
  const int32_t holders[] = {t->proc->shared->keeper_pid, twin_pid(t)};
  long own = kEbadf;
  for (const int32_t holder : holders) {
    const long pidfd = holder > 0 ? sys(__NR_pidfd_open, holder, 0) : kEbadf;
    if (is_error(pidfd)) continue;
    own = sys(__NR_pidfd_getfd, pidfd, fd, 0);
    sys(__NR_close, pidfd);
    if (!is_error(own)) break;
  }
  return static_cast<int>(own);
}

}  // namespace mx::agent
