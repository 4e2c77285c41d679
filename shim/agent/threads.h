// Memory blocks of threads and processes in the agent's heap, and creating threads.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// A Thread with its stack; null if there is no memory. Zeroed.
Thread* new_thread(LocalProcess* p);
void free_thread(Thread* t);
/// The block of a thread that is about to end: to be reused once the kernel has left its stack.
void abandon_block(Thread* t);
/// Lowest address of the thread's agent stack.
uint64_t thread_stack_base(const Thread* t);
inline constexpr uint64_t kMaxThreads = 4096;
/// Says that a thread runs, or is about to end.
void set_living(const Thread* t, bool lives);
/// … in a new process.
void only_living(const Thread* t);
/// The blocks of running threads, a bit each, from block 64 * `word` on.
uint64_t living_blocks_of(uint64_t word);
Thread* thread_of(uint64_t block);
/// Private memory for the thread's repeats.h, zeroed; null if there is none.
inline constexpr uint64_t kRepeatsSize = 4 << 20;
void* map_repeats(const Thread* t);
/// Calls f(Thread&) for each running thread of a process.
template <typename F>
void each_thread(const LocalProcess* p, F&& f) {
  for (uint64_t word = 0; word < kMaxThreads / 64; word++)
    for (uint64_t left = living_blocks_of(word); left; left &= left - 1)
      if (Thread* t = thread_of(word * 64 + __builtin_ctzll(left)); t->proc == p) f(*t);
}
LocalProcess* new_process();
void free_process(LocalProcess* p);

/// A free lane of the arena; kNoLane if there is none.
inline constexpr uint32_t kNoLane = ~0u;
uint32_t new_lane(uint32_t process);
Process* new_pair();
void use_lane(Thread* t, uint32_t index);
void set_gs(Thread* t);
/// Drops signals that arrived at a follower before it took over.
void drop_stale_signals(Thread* t);

/// clone, clone3, fork, vfork.
long run_clone(Call& c);
long run_clone3(Call& c);
long run_fork(Call& c);

}  // namespace mx::agent
