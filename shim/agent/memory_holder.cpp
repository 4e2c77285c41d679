#include "shim/agent/memory_holder.h"

#include "shim/agent/clone_aside.h"

namespace mx::agent {

using stream::MemoryHolder;

namespace {

constexpr uint64_t kVm = 0x100, kFiles = 0x400, kParent = 0x8000, kParentSettid = 0x100000,
                   kChildCleartid = 0x200000;
constexpr uint64_t kUnshare = 2;  // CLOSE_RANGE_UNSHARE

MemoryHolder& own(Thread* t) {
  return t->proc->shared->checkpoint[static_cast<int>(t->proc->version)].memory_holder;
}

// Its stack stands in the memory that it holds. No thread may be looked for (gs is the maker's).
alignas(16) char stack[2048];
uint32_t held;

[[noreturn]] void hold(void* at) {
  auto* h = static_cast<MemoryHolder*>(at);
  sys(__NR_prctl, 1 /*PR_SET_PDEATHSIG*/, 9);
  sys(__NR_close_range, 0, ~0u, kUnshare);  // the table was the maker's
  sys(__NR_prctl, 15 /*PR_SET_NAME*/, "mx-memory");
  const uint32_t of = held;
  while (h->of.load() == of && sys(__NR_getppid) == control()->settings.monitor_pid)
    sys(__NR_futex, &h->of, 0 /*FUTEX_WAIT*/, of, nullptr, 0, 0);
  sys(__NR_exit_group, 0);
  __builtin_unreachable();
}

bool is_mine(Thread* t, const MemoryHolder& h) {
  return h.of.load() == static_cast<uint32_t>(t->proc->real_pid);
}

// More than is taken apart in 8 ms or so.
bool is_large() {
  constexpr uint64_t kLarge = 64 << 10;  // KiB
  uint64_t usage[18];                    // struct rusage; ru_maxrss
  return is_error(sys(__NR_getrusage, 0, usage)) || usage[4] >= kLarge;
}

void let_go(MemoryHolder& h) {
  h.of.store(0);
  sys(__NR_futex, &h.of, 1 /*FUTEX_WAKE*/, 1, nullptr, 0, 0);
}

}  // namespace

void hold_memory(Thread* t) {
  // The monitor is the parent of the first process only: it must be the holder's, too.
  if (!t->proc->shared->is_root || t->proc->no_copies || control()->settings.memory_is_limited)
    return;
  MemoryHolder& h = own(t);
  const auto self = static_cast<uint32_t>(t->proc->real_pid);
  if (is_mine(t, h) || h.pid.load() != 0 || !is_large()) return;
  held = self;
  h.of.store(self);
  const long pid = with_signals_blocked([&] {
    return mx_clone_aside(kVm | kFiles | kParent | kParentSettid | kChildCleartid,
                          stack + sizeof stack, &h.pid, hold, &h);
  });
  if (is_error(pid)) h.of.store(0);
}

void leave_memory(Thread* t) {
  MemoryHolder& h = own(t);
  if (!is_mine(t, h)) return;
  h.pid.store(0);  // the last one that has the old memory
  let_go(h);
}

}  // namespace mx::agent
