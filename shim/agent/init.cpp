// First code of the agent in a new program image, before anything of the program runs.
#include "shim/agent/boot.h"
#include "shim/agent/call.h"
#include "shim/agent/failover.h"
#include "shim/agent/fds.h"
#include "shim/agent/frame.h"
#include "shim/agent/keeper.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/memory_holder.h"
#include "shim/agent/pace.h"
#include "shim/agent/patch.h"
#include "shim/agent/processes.h"
#include "shim/agent/report.h"
#include "shim/agent/sent.h"
#include "shim/agent/signals.h"
#include "shim/agent/threads.h"
#include "shim/agent/vdso.h"

namespace mx::agent {

namespace {

Role initial_role(const LocalProcess* p) {
  auto state = static_cast<PairState>(p->shared->state.load());
  bool leads = p->shared->leader.load() == static_cast<uint32_t>(p->version);
  if (state == PairState::kSolo && leads) return Role::kSolo;
  return leads ? Role::kLeader : Role::kFollower;
}

// Other threads' lanes ended with the old image.
void close_other_lanes(Thread* t) {
  auto index = static_cast<uint32_t>(t->proc->shared - control()->processes);
  if (t->role == Role::kFollower) return;
  for (Lane& l : stream::lanes_taken(*control()))
    if (&l != t->lane && l.in_use.load() == 1 && l.process == index) l.in_use.store(0);
}

void describe_process(LocalProcess* p, const BootInfo& b) {
  int v = static_cast<int>(b.version);
  p->shared = &control()->processes[b.process];
  p->version = static_cast<Version>(b.version);
  p->real_pid = static_cast<int32_t>(sys(__NR_getpid));
  p->shared->alive[v].store(1);
  p->shared->real_pid[v] = p->real_pid;
  p->shared->sharing[v].store(0);
  p->shared->maps_from[v].store(0);
  p->shared->shared_slot[v].store(0);
  p->vpid = p->shared->vpid;
  p->threads.store(1);
  const uint32_t highest = p->shared->max_fd.load();
  p->max_fd = highest < kMaxFds ? static_cast<int32_t>(highest) : kMaxFds - 1;
}

[[noreturn]] void start(Thread* t, const BootInfo* info) {
  BootInfo b = *info;
  LocalProcess* p = t->proc;
  int v = static_cast<int>(b.version);
  t->tid = p->real_pid;
  t->vtid = p->vpid;
  t->role = initial_role(p);
  p->promoted = t->role != Role::kFollower && p->real_pid != p->vpid;  // by the image before
  use_lane(t, p->shared->lane[v]);
  set_living(t, true);
  init_vdso(b.vdso);
  init_thread_stack(t);
  init_signals(t);
  t->vmask = p->shared->exec_vmask[v];
  if (t->role == Role::kFollower) inherit_sent(t, p->shared->exec_sent[v]);
  sys(__NR_munmap, stream::kBootAddress, stream::kPage);
  if (!b.initial) {
    leave_memory(t);
    if (p->shared->maps_files[v].exchange(0)) retract_all_mapped(t);
    close_other_lanes(t);
  }
  if (t->role != Role::kFollower) {
    note_inherited(t);
    // (Of its first image a follower has no event, nor all of the descriptors.)
    stream::Image* images = p->shared->image;
    if (b.initial) images[1 - v] = images[v];
  }
  if (!b.initial) p->shared->images[v].fetch_add(1);
  note_image_decided(t);
  if (!b.initial && t->role == Role::kLeader) {
    p->shared->threads.store(1);
    publish_plain(t, EventKind::kExec, 0, __NR_execve, 0, &p->shared->image[v],
                  sizeof p->shared->image[v]);
    lane_flush(t);
  }
  if (t->role == Role::kLeader) {
    // execve has unshared the descriptor table: the keeper of the old image holds that one's.
    if (b.initial)
      start_young_keeper(t);
    else if (p->shared->keeper_pid)
      start_keeper(t);
  }
  if (t->role == Role::kFollower) {
    if (!b.initial) stop_spare_keeper(t);
    t->gives_way = p->shared->gives_way.load();  // of the image before
    give_way(t);
  }
  apply_mask(t, nullptr);
  if (control()->settings.serial_threads) patch_all(t);  // it may read the counter at once
  Regs r{};
  r.rip = b.entry;
  r.rsp = b.stack;
  mx_resume_at(&r);
  __builtin_unreachable();
}

}  // namespace
}  // namespace mx::agent

using namespace mx::agent;
namespace stream = mx::stream;

extern "C" [[noreturn]] void mx_start_on_stack(Thread* t, const BootInfo* info) { start(t, info); }

// Runs on the boot page; moves to the thread's own stack at once.
extern "C" void mx_start(const BootInfo* info) {
  if (control()->magic != stream::kArenaMagic || control()->version != stream::kProtocolVersion) {
    sys(__NR_exit_group, 125);
  }
  LocalProcess* p = new_process();
  Thread* t = p ? new_thread(p) : nullptr;
  if (!t) sys(__NR_exit_group, 125);
  describe_process(p, *info);
  set_gs(t);
  asm volatile(
      "mov %0, %%rsp\n"
      "mov %1, %%rdi\n"
      "mov %2, %%rsi\n"
      "call mx_start_on_stack\n"
      :
      : "r"(t->stack_top), "r"(t), "r"(info)
      : "rdi", "rsi", "memory");
}
