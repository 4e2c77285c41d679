#include "shim/monitor/transplants.h"

#include "recovery/find_analyzer.h"
#include "shim/monitor/arena.h"

namespace mx::monitor {

namespace {

using recovery::Outcome;
using recovery::Side;

/// A `syscall` instruction in the agent's code: the filter lets calls from there through.
uint64_t agent_syscall() {
  const uint8_t* code = AgentImage::bytes();
  for (uint64_t at = 0; at + 1 < AgentImage::text_size(); at++)
    if (code[at] == 0x0f && code[at + 1] == 0x05) return stream::kTextAddress + at;
  return 0;
}

}  // namespace

Transplants::Transplants() : mappings_(recovery::find_analyzer()), transplanter_(mappings_) {}

void Transplants::prepare(const std::array<pid_t, 2>& pids) {
  pids_ = pids;
  if (pids[0] <= 0 || pids[1] <= 0) return;
  transplanter_.prepare(pids[0], pids[1]);
  if (!busy()) plan_ahead();
}

void Transplants::plan_ahead() {
  transplanter_.plan_ahead(pids_[0], Side::kOld, pids_[1]);
  transplanter_.plan_ahead(pids_[1], Side::kNew, pids_[0]);
}

bool Transplants::child_ended(pid_t pid, int status) {
  if (!mappings_.child_ended(pid, status)) return false;
  plan_ahead();
  return true;
}

Outcome Transplants::apply(stream::Version version, pid_t pid, pid_t tid, pid_t survivor,
                           std::vector<recovery::ThreadState>& threads,
                           const std::vector<uint64_t>& crash_stack) {
  recovery::PtraceTarget target(pid, tid, agent_syscall());
  return transplanter_.apply({target, static_cast<Side>(version), survivor, threads, crash_stack});
}

Outcome Transplants::revert(stream::Version version, pid_t pid, pid_t tid,
                            std::vector<recovery::ThreadState>& threads) {
  recovery::PtraceTarget target(pid, tid, agent_syscall());
  return transplanter_.revert({target, static_cast<Side>(version), 0, threads, {}});
}

}  // namespace mx::monitor
