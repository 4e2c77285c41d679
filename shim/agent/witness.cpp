#include "shim/agent/witness.h"

#include "shim/agent/lane.h"
#include "shim/agent/signals.h"

namespace mx::agent {

using stream::Witness;
using stream::WitnessState;

namespace {

constexpr uint64_t kCloneParent = 0x8000, kSettid = 0x100000, kSigchld = 17;

void set(Witness& w, WitnessState to) {
  w.state.store(static_cast<uint32_t>(to));
  futex_wake(&w.state, 1 << 30);
}

void sleep_as_witness(Witness& w) {
  constexpr auto kAsleep = static_cast<uint32_t>(WitnessState::kAsleep);
  sys(__NR_prctl, 1 /*PR_SET_PDEATHSIG*/, 9);
  sys(__NR_prctl, 15 /*PR_SET_NAME*/, "mx-witness");
  set(w, WitnessState::kAsleep);
  while (w.state.load() == kAsleep)
    sys(__NR_futex, &w.state, 0 /*FUTEX_WAIT*/, kAsleep, nullptr, 0, 0);
  if (w.state.load() != static_cast<uint32_t>(WitnessState::kWoken)) sys(__NR_exit_group, 0);
}

}  // namespace

bool leave_witness(Thread* t) {
  Witness& w = t->proc->shared->recovery.witness;
  if (w.state.load() != static_cast<uint32_t>(WitnessState::kWanted)) return false;
  const long pid = sys(__NR_clone, kCloneParent | kSettid | kSigchld, 0, &w.pid, 0, 0);
  if (pid != 0) {
    if (pid < 0) set(w, WitnessState::kVoid);
    return false;
  }
  sleep_as_witness(w);
  init_thread_stack(t);
  install_all_signals(t);
  return true;
}

}  // namespace mx::agent
