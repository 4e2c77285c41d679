// Every intercepted call comes through dispatch().
#include "shim/agent/align.h"
#include "shim/agent/astray.h"
#include "shim/agent/baton.h"
#include "shim/agent/call.h"
#include "shim/agent/checkpoint.h"
#include "shim/agent/epoll.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/files.h"
#include "shim/agent/kill.h"
#include "shim/agent/listing.h"
#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"
#include "shim/agent/own_ids.h"
#include "shim/agent/own_root.h"
#include "shim/agent/pace.h"
#include "shim/agent/pidfds.h"
#include "shim/agent/processes.h"
#include "shim/agent/query.h"
#include "shim/agent/rejoin.h"
#include "shim/agent/report.h"
#include "shim/agent/segments.h"
#include "shim/agent/shadow.h"
#include "shim/agent/signals.h"
#include "shim/agent/special.h"
#include "shim/agent/threads.h"
#include "shim/agent/timers.h"
#include "shim/agent/vectors.h"

namespace mx::agent {

using sys::Treatment;

namespace {

struct HookTable {
  Hooks at[sys::kMax + 1];
};

constexpr HookTable make_hooks() {
  HookTable h{};
  auto run = [&h](int nr, long (*f)(Call&)) { h.at[nr].run = f; };
  auto localise = [&h](int nr, void (*f)(Call&)) { h.at[nr].localise = f; };
  // Files and descriptors
  for (int nr : {__NR_open, __NR_openat, __NR_openat2, __NR_creat}) run(nr, run_open);
  for (int nr : {__NR_mkdir, __NR_mkdirat}) run(nr, run_mkdir);
  run(__NR_memfd_create, run_memfd);
  h.at[__NR_getdents64].perform = perform_getdents64;
  run(__NR_mmap, run_mmap);
  run(__NR_munmap, run_munmap);
  run(__NR_mremap, run_mremap);
  for (int nr : {__NR_write, __NR_writev, __NR_pwrite64, __NR_pwritev, __NR_pwritev2,
                 __NR_ftruncate, __NR_fallocate}) {
    h.at[nr].measure = measure_file_write;
    h.at[nr].perform = perform_file_write;
    h.at[nr].in_turn = write_to_shadow;
  }
  for (int nr : {__NR_mprotect, __NR_pkey_mprotect}) run(nr, run_mprotect);
  run(__NR_madvise, run_madvise);
  run(__NR_close_range, run_close_range);
  h.at[__NR_close_range].perform = perform_close_range;
  run(__NR_fcntl, run_fcntl);
  run(__NR_flock, run_flock);
  run(__NR_chdir, run_chdir);
  run(__NR_fchdir, run_fchdir);
  h.at[__NR_fchdir].perform = perform_fchdir;
  h.at[__NR_fchdir].in_turn = enter_folder;
  run(__NR_close, run_close);
  h.at[__NR_close].prepare = prepare_close;
  h.at[__NR_close].in_turn = localise_close;
  run(__NR_dup, run_event);  // of a private descriptor, too: the number is the leader's
  localise(__NR_dup, localise_dup);
  for (int nr : {__NR_dup2, __NR_dup3}) {
    run(nr, run_dup_to);
    localise(nr, localise_dup);
  }
  for (int nr : {__NR_sendfile, __NR_splice, __NR_copy_file_range}) {
    run(nr, run_event);
    localise(nr, localise_sendfile);
  }
  for (int nr : {__NR_pipe, __NR_pipe2, __NR_socketpair}) localise(nr, localise_fd_pair);
  for (int nr : {__NR_socket,       __NR_accept,        __NR_accept4,       __NR_eventfd,
                 __NR_eventfd2,     __NR_epoll_create,  __NR_epoll_create1, __NR_timerfd_create,
                 __NR_inotify_init, __NR_inotify_init1, __NR_signalfd,      __NR_signalfd4,
                 __NR_pidfd_getfd,  __NR_mq_open,       __NR_fanotify_init, __NR_open_by_handle_at,
                 __NR_open_tree,    __NR_fsopen,        __NR_fsmount,       __NR_fspick})
    localise(nr, localise_new_fd);
  h.at[__NR_ioctl].measure = measure_ioctl;
  h.at[__NR_ioctl].perform = perform_ioctl;
  localise(__NR_ioctl, localise_ioctl);
  localise(__NR_recvmsg, localise_recvmsg);
  run(__NR_sendmmsg, run_sendmmsg);
  h.at[__NR_sendmmsg].perform = perform_sendmmsg;
  run(__NR_vmsplice, run_vmsplice);
  // Waiting
  h.at[__NR_epoll_ctl] = {nullptr, begin_epoll_ctl,  prepare_epoll_ctl,
                          nullptr, finish_epoll_ctl, localise_epoll_ctl};
  for (int nr : {__NR_epoll_wait, __NR_epoll_pwait, __NR_epoll_pwait2}) {
    h.at[nr].perform = perform_epoll_wait;
    h.at[nr].localise = localise_epoll_wait;
  }
  h.at[__NR_poll].perform = perform_poll;
  for (int nr : {__NR_ppoll, __NR_pselect6, __NR_epoll_pwait, __NR_epoll_pwait2})
    run(nr, run_masked_wait);
  // Signals
  run(__NR_rt_sigaction, run_sigaction);
  run(__NR_rt_sigprocmask, run_sigprocmask);
  h.at[__NR_rt_sigprocmask].perform = perform_sigprocmask;
  run(__NR_rt_sigreturn, run_sigreturn);
  run(__NR_sigaltstack, run_sigaltstack);
  run(__NR_rt_sigsuspend, run_sigsuspend);
  for (int nr : {__NR_rt_sigpending, __NR_rt_sigtimedwait, __NR_pause}) run(nr, run_event);
  h.at[__NR_rt_sigpending].perform = perform_sigpending;
  localise(__NR_rt_sigprocmask, localise_sigprocmask);
  // Processes
  for (int nr : {__NR_fork, __NR_vfork}) run(nr, run_fork);
  run(__NR_clone, run_clone);
  run(__NR_clone3, run_clone3);
  run(__NR_execve, run_execve);
  run(__NR_execveat, run_execveat);
  run(__NR_exit, run_exit);
  run(__NR_exit_group, run_exit_group);
  run(__NR_wait4, run_wait4);
  run(__NR_waitid, run_waitid);
  h.at[__NR_wait4].perform = perform_wait4;
  h.at[__NR_waitid].perform = perform_waitid;
  run(__NR_kill, run_kill);
  for (int nr : {__NR_tkill, __NR_tgkill, __NR_rt_tgsigqueueinfo}) run(nr, run_tgkill);
  run(__NR_rt_sigqueueinfo, run_sigqueue);
  run(__NR_pidfd_send_signal, run_event);
  h.at[__NR_pidfd_send_signal].perform = perform_pidfd_send_signal;
  localise(__NR_rt_sigtimedwait, localise_sigtimedwait);
  localise(__NR_read, localise_read);
  h.at[__NR_read].perform = perform_read;
  h.at[__NR_rt_sigtimedwait].perform = perform_sigtimedwait;
  h.at[__NR_kill].prepare = prepare_kill;
  for (int nr : {__NR_tkill, __NR_tgkill, __NR_rt_tgsigqueueinfo})
    h.at[nr].prepare = prepare_tgkill;
  for (int nr : {__NR_tkill, __NR_tgkill}) h.at[nr].perform = perform_tgkill;
  h.at[__NR_rt_sigqueueinfo].prepare = prepare_kill;
  h.at[__NR_setpgid].prepare = prepare_setpgid;
  h.at[__NR_wait4].prepare = prepare_wait4;
  h.at[__NR_waitid].prepare = prepare_waitid;
  h.at[__NR_fcntl].prepare = prepare_fcntl;
  h.at[__NR_fcntl].perform = perform_fcntl;
  h.at[__NR_getsockopt].perform = perform_getsockopt;
  run(__NR_setpgid, run_setpgid);
  run(__NR_setsid, run_setsid);
  h.at[__NR_pidfd_open].prepare = prepare_pidfd_open;
  localise(__NR_pidfd_open, localise_pidfd_open);
  run(__NR_set_tid_address, run_set_tid_address);
  for (int nr : {__NR_futex, __NR_futex_waitv, kFutexWaitCall}) run(nr, run_futex);
  run(__NR_sched_yield, run_sched_yield);
  for (int nr : {__NR_set_robust_list, __NR_rseq}) run(nr, run_registration);
  run(__NR_prctl, run_prctl);
  for (int nr : {__NR_setuid, __NR_setgid, __NR_setreuid, __NR_setregid, __NR_setresuid,
                 __NR_setresgid, __NR_setfsuid, __NR_setfsgid})
    run(nr, run_credentials);
  for (int nr : {__NR_capget, __NR_capset}) run(nr, run_capabilities);
  for (int nr : {__NR_sched_setscheduler, __NR_sched_setparam, __NR_sched_setattr})
    run(nr, run_set_policy);
  run(__NR_arch_prctl, run_arch_prctl);
  run(__NR_seccomp, run_seccomp);
  run(__NR_prlimit64, run_prlimit);
  run(__NR_setrlimit, run_setrlimit);
  // System V shared memory: each version has its own
  run(__NR_shmget, run_shmget);
  h.at[__NR_shmget].in_turn = note_segment;
  run(__NR_shmat, run_shmat);
  run(__NR_shmdt, run_shmdt);
  run(__NR_shmctl, run_shmctl);
  h.at[__NR_shmctl].prepare = prepare_shmctl;
  for (int nr : {__NR_shmctl, __NR_msgctl, __NR_semctl}) {
    h.at[nr].measure = measure_ipc_control;
    h.at[nr].perform = perform_ipc_control;
  }
  // Timers
  run(__NR_timer_create, run_timer_create);
  h.at[__NR_timer_create].perform = perform_timer_create;
  for (int nr : {__NR_timer_settime, __NR_timer_gettime, __NR_timer_getoverrun, __NR_timer_delete})
    h.at[nr].prepare = prepare_timer;
  localise(__NR_timer_settime, localise_timer_settime);
  localise(__NR_timer_delete, localise_timer_delete);
  localise(__NR_setitimer, localise_setitimer);
  localise(__NR_alarm, localise_alarm);
  return h;
}

constexpr HookTable kHooks = make_hooks();

bool on_private_descriptor(const Call& c) {
  int i = c.d->fd_arg;
  if (i < 0 || c.d->args[i].kind != sys::ArgKind::kFd) return false;
  return fd_private(c.t, static_cast<int>(c.args[i]));
}

// What modifies a private file is the leader's, for it is one file; not so memory.
bool each_makes_it(const Call& c) {
  if (!on_private_descriptor(c)) return false;
  return !sys::has(*c.d, sys::attr::kModifies) ||
         (fd_bits(c.t, static_cast<int>(c.args[c.d->fd_arg])) & kFdMemory);
}

long refuse(Call& c) {
  if (!sys::has(*c.d, sys::attr::kAbsent)) report_refused(c);
  return kEnosys;
}

long route(Call& c) {
  const Hooks& hooks = kHooks.at[c.nr <= sys::kMax ? c.nr : 0];
  if (c.d->treatment == Treatment::kRefuse) return refuse(c);
  if (hooks.run) return hooks.run(c);
  switch (c.d->treatment) {
    case Treatment::kLocal:
      return run_local(c);
    case Treatment::kQuery:
      return run_query(c);
    case Treatment::kBoth:
      return run_both(c);
    case Treatment::kFile:
      return run_file(c);
    default:
      return each_makes_it(c) ? run_local(c) : run_event(c);
  }
}

bool is_event(const Call& c) { return c.d->treatment != Treatment::kLocal; }

// Calls that each version makes for itself, without an event: the follower may be beyond this one
// already, so that no handler can run before it in both.
bool passes_by(Call& c) {
  switch (c.nr) {
    case __NR_rt_sigaction:
    case __NR_sigaltstack:
      return true;
    case __NR_rt_sigprocmask:
      return !unblocks(c);
    case __NR_fcntl:
    case __NR_flock:
      return false;  // may wait for a lock
    default:
      break;
  }
  if (long own; own_identity(c, own)) return true;
  if (each_makes_it(c)) return true;
  return c.d->treatment == Treatment::kFile && private_path(c, c.d->path_arg);
}

void remember(const Call& c, long ret) {
  stream::History* h = c.t->history;
  if (!h) return;
  stream::PastCall& p = h->calls[h->count++ % stream::kPastCalls];
  p.nr = c.d->nr;
  p.result = ret;
  for (int i = 0; i < 6; i++) p.args[i] = c.args[i];
}

// Different roots: which names the program has changed,
// and what of it this version does in its own root.
void follow_changes(Call& c, long ret) {
  if (ret < 0 || c.d->path_arg < 0 || !control()->settings.different_roots) return;
  note_changes(c);
  if (c.t->role == Role::kFollower && c.consumed) mirror_change(c);
}

void finish(Thread* t, Regs* r, bool event) {
  if (t->role == Role::kFollower) {
    if (!is_astray(t)) follow_trailing_signals(t, r);
  } else if (t->pending && event) {
    deliver_pending(t, r, SignalPoint::kCallEnd);
  } else if (t->pending && static_cast<int64_t>(r->rax) == kEintr) {
    // Else it waits for the next event: the follower may be beyond a call that is none.
    deliver_pending(t, r, SignalPoint::kLocalEnd);
  }
}

}  // namespace

const Hooks* hooks_of(long nr) { return &kHooks.at[nr <= sys::kMax ? nr : 0]; }

void dispatch(Thread* t, Regs* r) {
  const sys::Desc& d = sys::describe(static_cast<long>(r->nr));
  Call c;
  c.t = t;
  c.r = r;
  c.d = &d;
  c.nr = r->nr;
  for (int i = 0; i < 6; i++) c.args[i] = c.exec[i] = r->call_arg(i);
  c.ret = 0;
  c.consumed = false;
  c.blob = c.blob_size = c.done = c.time_at = 0;
  c.names_new = c.may_rest = c.kept_out = c.on_own = c.keeps_baton = c.ran_apart = false;
  c.began = 0;
  t->regs = r;
  t->regs_redirected = 0;
  t->announced = 0;
  if (t->role == Role::kLeader) park_if_failing(t);
  bool event = is_event(c);
  if (must_look_up(t)) looked_up(t, event && d.treatment != Treatment::kQuery);
  const bool in_turn = waits_in_turn(c);
  bool entered = t->pending && t->role != Role::kFollower && (event || in_turn) && !passes_by(c) &&
                 deliver_pending(t, r, SignalPoint::kCallStart);
  if (!entered) {
    if (d.out_mask) read_size_words(c);
    if (d.path_arg >= 0 && (t->proc->promoted || t->role == Role::kFollower))
      own_proc_path(c, d.path_arg);
    long ret = is_astray(t) && event ? stray_call(c) : route(c);
    take_baton(t, false);
    t->localises.store(0, std::memory_order_relaxed);
    if (!t->regs_redirected) {
      r->rax = static_cast<uint64_t>(ret);
      remember(c, ret);
      follow_changes(c, ret);
      finish(t, r, event || in_turn);
    }
  }
  if (t->in_suspend) {
    t->in_suspend = 0;
    t->vmask = t->suspend_mask;
    if (t->role != Role::kFollower) apply_mask(t, t->trap);
  }
  if (t->replays) at_call_end(t);
  t->regs = nullptr;
  if (t->pending && t->role != Role::kFollower) arm_deferred(t);
}

}  // namespace mx::agent
