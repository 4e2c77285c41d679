#include "shim/agent/threads.h"

#include "shim/agent/flight.h"
#include "shim/agent/lane.h"
#include "shim/agent/memory.h"
#include "shim/agent/signals.h"

namespace mx::agent {

namespace {

constexpr uint64_t kBlock = 128 * 1024, kGuard = 4096;
// The first of each has a place of its own (stream/layout.h), the others follow one another.
constexpr uint64_t kThreads = stream::kHeapBase;
constexpr uint64_t kProcesses = kThreads + kMaxThreads * kBlock;
constexpr uint64_t kProcessStride = 64 << 20;
constexpr uint32_t kMaxLocal = 64;
static_assert(sizeof(LocalProcess) < kProcessStride && sizeof(LocalProcess) <= stream::kBlankSize);
static_assert(sizeof(Thread) < 64 * 1024);
constexpr uint64_t kRepeats = kProcesses + kMaxLocal * kProcessStride;
static_assert(kRepeats + kMaxThreads * kRepeatsSize <= stream::kRangeEnd);
static_assert(stream::kFirstThread + kBlock <= stream::kFirstProcess);
static_assert(stream::kFirstProcess + sizeof(LocalProcess) <= stream::kArenaBase);

constexpr uint64_t block_base(uint64_t block) {
  return block == 0 ? stream::kFirstThread : kThreads + block * kBlock;
}
constexpr uint64_t process_base(uint64_t index) {
  return index == 0 ? stream::kFirstProcess : kProcesses + index * kProcessStride;
}

// Which blocks are in use. Private memory: a fork gets its own copy.
std::atomic<uint64_t> used_blocks[kMaxThreads / 64];
std::atomic<uint64_t> living_blocks[kMaxThreads / 64];
std::atomic<uint64_t> used_processes;

// Private memory, made of a part of the arena that is never written: programs that look for their
// anonymous memory in /proc/self/maps (redis tests all of it before it aborts) do not find the
// agent's, which signals may need at any moment.
bool map_fixed(uint64_t at, uint64_t size) {
  constexpr uint64_t kPrivateFixed = 0x4012;  // MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE
  return sys(__NR_mmap, at, size, 3, kPrivateFixed, control()->settings.reserved_fd,
             stream::kBlankOffset) == static_cast<long>(at);
}

int64_t take_bit(std::atomic<uint64_t>& word) {
  uint64_t v = word.load();
  while (~v) {
    int k = __builtin_ctzll(~v);
    if (word.compare_exchange_weak(v, v | (uint64_t{1} << k))) return k;
  }
  return -1;
}

}  // namespace

void* map_repeats(const Thread* t) {
  const uint64_t at = kRepeats + t->block * kRepeatsSize;
  return map_fixed(at, kRepeatsSize) ? reinterpret_cast<void*>(at) : nullptr;
}

static void unmap_block(uint64_t block) {
  if (thread_of(block)->repeats) sys(__NR_munmap, kRepeats + block * kRepeatsSize, kRepeatsSize);
  sys(__NR_munmap, block_base(block), kBlock);
}

static void collect_abandoned(int32_t pid);

uint64_t thread_stack_base(const Thread* t) { return block_base(t->block) + kGuard; }

static uint64_t thread_at(uint64_t block) {
  return (block_base(block) + kBlock - sizeof(Thread)) & ~uint64_t{63};
}

uint64_t living_blocks_of(uint64_t word) { return living_blocks[word].load(); }

Thread* thread_of(uint64_t block) { return reinterpret_cast<Thread*>(thread_at(block)); }

void set_living(const Thread* t, bool lives) {
  uint64_t mask = uint64_t{1} << (t->block % 64);
  if (lives)
    living_blocks[t->block / 64].fetch_or(mask);
  else
    living_blocks[t->block / 64].fetch_and(~mask);
}

void only_living(const Thread* t) {
  for (auto& word : living_blocks) word.store(0);
  set_living(t, true);
}

// A block: guard page, stack growing down, Thread at the upper end.
Thread* new_thread(LocalProcess* p) {
  if (p->threads.load() > 0) collect_abandoned(p->real_pid);
  for (uint64_t w = 0; w < kMaxThreads / 64; w++) {
    int64_t k = take_bit(used_blocks[w]);
    if (k < 0) continue;
    uint64_t block = w * 64 + k, base = block_base(block);
    if (!map_fixed(base + kGuard, kBlock - kGuard)) return nullptr;
    auto* t = reinterpret_cast<Thread*>(thread_at(block));
    t->self = t;
    t->block = block;
    t->proc = p;
    t->stack_top = (reinterpret_cast<uint64_t>(t) - 64) & ~uint64_t{63};
    t->altstack.flags = 2;
    return t;
  }
  return nullptr;
}

void free_thread(Thread* t) {
  uint64_t block = t->block;
  set_living(t, false);
  unmap_block(block);
  used_blocks[block / 64].fetch_and(~(uint64_t{1} << (block % 64)));
}

// A thread cannot free the stack it stands on. Its block goes to a list; it may be reused when the
// kernel says that the thread is gone.
namespace {
struct Abandoned {
  std::atomic<uint32_t> tid;
  uint32_t block;
};
Abandoned abandoned[256];
}  // namespace

void abandon_block(Thread* t) {
  for (Abandoned& a : abandoned) {
    uint32_t free = 0;
    if (!a.tid.compare_exchange_strong(free, ~0u)) continue;
    a.block = static_cast<uint32_t>(t->block);
    a.tid.store(t->tid);
    return;
  }
}

static void collect_abandoned(int32_t pid) {
  for (Abandoned& a : abandoned) {
    uint32_t tid = a.tid.load();
    if (tid == 0 || tid == ~0u) continue;
    if (sys(__NR_tgkill, pid, tid, 0) != kEsrch) continue;
    uint64_t block = a.block;
    if (!a.tid.compare_exchange_strong(tid, 0)) continue;
    unmap_block(block);
    used_blocks[block / 64].fetch_and(~(uint64_t{1} << (block % 64)));
  }
}

LocalProcess* new_process() {
  int64_t k = take_bit(used_processes);
  if (k < 0) return nullptr;
  uint64_t at = process_base(static_cast<uint64_t>(k));
  if (!map_fixed(at, (sizeof(LocalProcess) + 4095) & ~uint64_t{4095})) return nullptr;
  auto* p = reinterpret_cast<LocalProcess*>(at);
  p->index = static_cast<uint32_t>(k);
  return p;
}

void free_process(LocalProcess* p) {
  uint32_t k = p->index;
  sys(__NR_munmap, reinterpret_cast<uint64_t>(p), (sizeof(LocalProcess) + 4095) & ~uint64_t{4095});
  used_processes.fetch_and(~(uint64_t{1} << k));
}

// Slots are taken in turn, so that a late message about an ended one does not meet its successor,
// but only out of the first few as long as these do: every slot that was ever used costs memory.
constexpr uint32_t kFewSlots = 64;

template <typename F>
int64_t take_slot(Word& hint, uint32_t limit, F&& take) {
  uint32_t start = hint.fetch_add(1);
  for (uint32_t k = 0; k < kFewSlots; k++)
    if (uint32_t i = (start + k) % kFewSlots; take(i)) return i;
  for (uint32_t i = kFewSlots; i < limit; i++)
    if (take(i)) return i;
  return -1;
}

uint32_t new_lane(uint32_t process) {
  Control* c = control();
  int64_t index = take_slot(c->next_lane_hint, stream::kMaxLanes, [c](uint32_t i) {
    uint32_t free = 0;
    return c->lanes[i].in_use.compare_exchange_strong(free, 2);
  });
  if (index < 0) return kNoLane;
  Lane& l = c->lanes[index];
  memset(&l, 0, __builtin_offsetof(Lane, in_use));
  l.process = process;
  for (Version v : {Version::kOld, Version::kNew}) {
    stream::History* h = history_of(static_cast<uint32_t>(index), v);
    if (h->count) h->count = h->registers.valid = 0;
  }
  l.vtid = 0;
  l.real_tid[0] = l.real_tid[1] = 0;
  l.users.store(2);
  l.log_size = c->settings.recovery ? stream::log_size_of(c->settings, c->processes[process]) : 0;
  l.logged.store(0);
  clear_staging(static_cast<uint32_t>(index));
  stream::note_taken(c->lanes_end, static_cast<uint32_t>(index));
  l.in_use.store(1);
  return static_cast<uint32_t>(index);
}

Process* new_pair() {
  Control* c = control();
  int64_t index = take_slot(c->next_process_hint, stream::kMaxProcesses, [c](uint32_t i) {
    Process& p = c->processes[i];
    uint32_t s = p.state.load();
    bool ended =
        s == static_cast<uint32_t>(PairState::kEnded) && !p.alive[0].load() && !p.alive[1].load();
    if (s != 0 && !ended) return false;
    return p.state.compare_exchange_strong(s, static_cast<uint32_t>(PairState::kFailover));
  });
  if (index < 0) return nullptr;
  Process& p = c->processes[index];
  const bool slept = p.checkpoint[0].count || p.checkpoint[1].count;
  memset(reinterpret_cast<uint8_t*>(&p) + sizeof p.state, 0, sizeof p - sizeof p.state);
  // A copy of a process that was killed may still be asleep: it is nobody's now, and ends.
  for (stream::Checkpoint& own : p.checkpoint)
    for (stream::Sleeper& s : own.sleepers)
      if (slept) futex_wake(&s.state, 1 << 30);
  stream::note_taken(c->processes_end, static_cast<uint32_t>(index));
  return &p;
}

void use_lane(Thread* t, uint32_t index) {
  t->lane_index = index;
  t->lane = &control()->lanes[index];
  t->window_from = t->window_to = 0;
  if (t->role == Role::kLeader) {
    t->pos = t->limit = t->lane->head.load();
  } else {
    t->pos = t->lane->tail.load();
    t->limit = t->lane->head.load();
  }
  t->lane->real_tid[static_cast<int>(t->proc->version)] = t->tid;
  t->history = history_of(index, t->proc->version);
}

void set_gs(Thread* t) { sys(__NR_arch_prctl, 0x1001 /*ARCH_SET_GS*/, t); }

void drop_stale_signals(Thread* t) {
  uint64_t all = ~uint64_t{0};
  KernelTimespec zero{0, 0};
  while (sys(__NR_rt_sigtimedwait, &all, nullptr, &zero, 8) > 0) {
  }
  t->pending = 0;
}

}  // namespace mx::agent
