#include "shim/monitor/checkpoints.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <utility>

#include "shim/monitor/checkpoint_policy.h"
#include "shim/monitor/events.h"
#include "shim/monitor/idle.h"
#include "shim/monitor/own_processes.h"
#include "shim/monitor/page_cost.h"
#include "shim/monitor/proc_stat.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;

namespace {

constexpr double kHotFor = 30;  // seconds
constexpr double kFirst = 0.1;  // a program that ends sooner pays nothing
// Of a child: many live a moment only, and many wait all their lives.
constexpr double kFirstOfChild = 1;     // seconds
constexpr uint64_t kWorthwhile = 4096;  // bytes published
constexpr size_t kMostChildren = 32;    // that have checkpoints, at a time
constexpr double kWithoutMemory = 60;   // seconds
constexpr double kApart = 0.06;  // two versions' checkpoints: each costs a round of copied pages
constexpr double kPatience = 1;  // for a thread to come by and make what was asked for
constexpr int kIdleMs = 500;
constexpr int kRoundMs = 1;       // while processes wait for each other
constexpr uint64_t kBusy = 4096;  // bytes published between two looks

struct Usage {
  uint64_t minor_faults = 0;
  double cpu = 0;  // seconds
};

Usage usage_of(pid_t pid) {
  const ProcStat s = proc_stat(pid);
  return {s.minor_faults, static_cast<double>(s.ticks) / static_cast<double>(sysconf(_SC_CLK_TCK))};
}

uint64_t private_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  uint64_t sum = 0, value;
  for (std::string key; in >> key;)
    if ((key == "Private_Clean:" || key == "Private_Dirty:") && in >> value) sum += value;
  return sum;
}

bool asleep(const Checkpoint& c) { return is(current_of(c), SleeperState::kAsleep); }

Sleeper* sleeper_of(Checkpoint& c, pid_t pid) {
  for (Sleeper& s : c.sleepers)
    if (s.pid.load() == pid) return &s;
  return nullptr;
}

bool was_wanted(Sleeper& s) {
  return change(s, SleeperState::kAsleep, SleeperState::kNone) ||
         change(s, SleeperState::kMaking, SleeperState::kNone);
}

const char* text_of(uint32_t refusal) {
  switch (static_cast<CheckpointRefusal>(refusal)) {
    case CheckpointRefusal::kNone:
      return "";
    case CheckpointRefusal::kSharesMemory:
      return "the process shares memory";
    case CheckpointRefusal::kThreadsRun:
      return "not all threads came to rest";
    case CheckpointRefusal::kNoProcess:
      return "fork failed";
    case CheckpointRefusal::kLogFull:
      return "more was published than the log holds";
    case CheckpointRefusal::kProcessChanged:
      return "a thread or a child process came or went";
    case CheckpointRefusal::kHeldOpen:
      return "the leader that failed did not let go of its descriptors";
    case CheckpointRefusal::kOutOfMemory:
      return "killed for want of memory";
    case CheckpointRefusal::kNotTogether:
      return "of the processes that share memory not all came to rest, or not all run as two "
             "versions";
    case CheckpointRefusal::kTooMuchShared:
      return "more memory is shared, or in more pieces, than is copied";
    case CheckpointRefusal::kMappedFile:
      return "the process has mapped a file since that has been removed, or has no name";
    case CheckpointRefusal::kAdopted:
      return "the program adopts orphans (PR_SET_CHILD_SUBREAPER), and would adopt the copy";
  }
  return "?";
}

// What both versions' checkpoints share: what they hold in the log has been moved there
// (agent/log.h), 1.1 to 1.5 microseconds a page.
double cost_of_log(uint64_t since, uint64_t log_size) {
  constexpr double kPageSeconds = 1.3e-6;
  const uint64_t moved = since > kLag ? std::min(since, log_size) - kLag : 0;
  return static_cast<double>(moved / kPage) * kPageSeconds / 2;
}

}  // namespace

std::string why_no_checkpoint(const Checkpoint& c) {
  const char* why = text_of(c.refusal);
  if (*why) return std::string("no checkpoint: ") + why;
  return c.count ? "no checkpoint: the last one has just been used" : "no checkpoint yet";
}

namespace {

const CheckpointPolicy& policy(double recovered, double now) {
  return recovered + kHotFor > now ? kHot : kCalm;
}

std::vector<uint64_t> published_by_process(Control& c) {
  std::vector<uint64_t> sums(processes_taken(c).last - processes_taken(c).first);
  for (const Lane& l : lanes_taken(c))
    if (l.in_use.load() && l.process < sums.size()) sums[l.process] += l.head.load();
  return sums;
}

bool pairs(const Process& p) {
  return p.state.load() == static_cast<uint32_t>(PairState::kPaired) && p.alive[0].load() &&
         p.alive[1].load();
}

void end_holder(MemoryHolder& h) {
  if (h.of.exchange(0)) futex_wake(h.of);
  h.pid.store(0);  // it may be the last one that has the memory: agent/memory_holder.h
}

void end_sleepers(Process& p) {
  for (Checkpoint& c : p.checkpoint) {
    for (Sleeper& s : c.sleepers) end_sleeper(s);
    end_holder(c.memory_holder);
  }
}

// Of a process that has ended.
void end_idle_holders(Process& p) {
  for (int v : {0, 1}) {
    MemoryHolder& h = p.checkpoint[v].memory_holder;
    const uint32_t of = h.of.load();
    if (of && (of != static_cast<uint32_t>(p.real_pid[v]) || !p.alive[v].load())) end_holder(h);
  }
}

}  // namespace

int Checkpoints::interval_ms() const {
  if (!on_) return -1;
  if (joint_.going_on()) return kRoundMs;
  if (!busy_) return kIdleMs;
  return hot_ ? kHot.look_ms : kCalm.look_ms;
}

// Null: a process that is not worth it.
Checkpoints::Watched* Checkpoints::watched(uint32_t process, double now) {
  const Process& p = arena_.control().processes[process];
  const auto found = watched_.find(process);
  if (found != watched_.end() && found->second.vpid == p.vpid) return &found->second;
  if (found == watched_.end() && watched_.size() > kMostChildren) return nullptr;
  Watched& w = watched_[process] = {};
  w.vpid = p.vpid;
  w.began = now;
  return &w;
}

void Checkpoints::look(double now) {
  joint_.step(now);
  if (!on_ || now < next_ || joint_.going_on()) return;
  Control& c = arena_.control();
  std::erase_if(watched_, [&](const auto& w) {
    Process& p = c.processes[w.first];
    if (p.is_root) return false;
    if (p.vpid != w.second.vpid) return true;
    const bool ended = !p.alive[0].load() && !p.alive[1].load();
    if (ended) end_sleepers(p);  // both were killed
    return ended;
  });
  const std::vector<uint64_t> published = published_by_process(c);
  busy_ = hot_ = false;
  for (uint32_t i = 0; i < published.size(); i++) {
    Process& p = c.processes[i];
    end_idle_holders(p);
    if (p.state.load() == static_cast<uint32_t>(PairState::kSolo))
      end_sleepers(p);  // nobody to come back to
    if (!pairs(p) || p.recovery.stage.load() != 0) continue;
    if (Watched* w = watched(i, now)) look_at(i, *w, published[i], now);
  }
  for (Version v : {Version::kOld, Version::kNew}) ask_together(v, now);
  next_ = now + interval_ms() / 2000.0;
}

void Checkpoints::look_at(uint32_t process, Watched& w, uint64_t published, double now) {
  Process& p = arena_.control().processes[process];
  w.busy = published - w.published > kBusy;
  w.published = published;
  busy_ |= w.busy;
  hot_ |= w.recovered + kHotFor > now;
  if (now - w.began < (p.is_root ? kFirst : kFirstOfChild)) return;
  if (!p.is_root && published < kWorthwhile) return;
  for (Version v : {Version::kOld, Version::kNew})
    look_at(w, p, v, w.schedule[static_cast<int>(v)], now);
}

void Checkpoints::look_at(const Watched& w, Process& p, Version v, Schedule& s, double now) {
  const int i = static_cast<int>(v);
  const Checkpoint& c = p.checkpoint[i];
  if (!p.alive[i].load() || p.real_pid[i] <= 1) return;
  if (c.made_tsc != s.made_tsc) {
    const Usage u = usage_of(p.real_pid[i]);
    const double cost = ticks_to_microseconds(c.cost_ticks) / 1e6;
    s = {c.made_tsc, now, 0, u.minor_faults, w.published, u.cpu, 0, cost, s.sleeper_cost};
  }
  const Schedule& other = w.schedule[1 - i];
  const Situation at{ready(p, v),
                     w.busy,
                     now - s.made,
                     now - s.weighed,
                     w.published - s.published,
                     log_size_of(arena_.control().settings, p)};
  hot_ |= half_full(at);
  const bool apart = w.busy && !nearly_full(at);
  if (apart && now - std::max(other.asked, other.made) < kApart) return;
  if (!due(w, s, at, p.real_pid[i], now)) return;
  if (JointCheckpoints::shares(p, v)) {
    joint_due_[i] = true;
    return;
  }
  s.asked = now;
  if ((p.look_up[i].fetch_or(kWantCheckpoint) & kWantCheckpoint) && !w.busy)
    ask_at_rest(arena_.control(), p, v);
}

// One of those who share memory wants one: all make theirs.
void Checkpoints::ask_together(Version v, double now) {
  if (!std::exchange(joint_due_[static_cast<int>(v)], false)) return;
  for (const uint32_t i : joint_.begin(v, now))
    if (Watched* w = watched(i, now)) w->schedule[static_cast<int>(v)].asked = now;
}

bool Checkpoints::due(const Watched& w, Schedule& s, const Situation& at, pid_t pid,
                      double now) const {
  const CheckpointPolicy& rule = policy(w.recovered, now);
  if (s.asked > s.made && now - s.asked < std::min(kPatience, 2 * rule.shortest)) return false;
  if (s.made == 0) return true;
  if (!worth_weighing(at, rule)) return false;
  s.weighed = now;
  const Usage u = usage_of(pid);
  return worth_making(at, rule, burden(s, u.minor_faults) + cost_of_log(at.since, at.log_size),
                      u.cpu - s.cpu);
}

// Seconds that the last checkpoint has cost, and thus the next one will.
double Checkpoints::burden(const Schedule& s, uint64_t faults) const {
  const double own = s.cost + s.sleeper_cost;
  return faults > s.faults ? own + static_cast<double>(faults - s.faults) * page_copy_seconds()
                           : own;
}

void Checkpoints::soon(uint32_t process, Version v, double now) {
  Watched* w = watched(process, now);
  if (!w) return;
  Process& p = arena_.control().processes[process];
  const int i = static_cast<int>(v);
  w->recovered = now;
  w->busy = busy_ = hot_ = true;
  next_ = 0;
  w->schedule[i] = {};
  w->schedule[i].made_tsc = p.checkpoint[i].made_tsc;
  if (JointCheckpoints::shares(p, v)) return;  // when all are back
  w->schedule[i].asked = now;
  p.look_up[i].fetch_or(kWantCheckpoint);
}

void Checkpoints::child_ended(pid_t pid, bool out_of_memory, double used, double now) {
  for (auto& [process, w] : watched_)
    for (int i : {0, 1}) {
      Checkpoint& c = arena_.control().processes[process].checkpoint[i];
      Sleeper* s = sleeper_of(c, pid);
      if (!s) continue;
      w.schedule[i].sleeper_cost = used;
      if (!was_wanted(*s) || !out_of_memory) continue;
      c.refusal = static_cast<uint32_t>(CheckpointRefusal::kOutOfMemory);
      next_ = now + kWithoutMemory;
    }
}

void end_sleeper(Sleeper& s) {
  if (change(s, SleeperState::kAsleep, SleeperState::kVoid) ||
      change(s, SleeperState::kMaking, SleeperState::kVoid))
    if (const pid_t pid = s.pid.load(); pid > 1) signal_own(pid, SIGKILL);
}

void Checkpoints::end_all() {
  for (Process& p : processes_taken(arena_.control())) end_sleepers(p);
}

std::vector<uint32_t> Checkpoints::children() const {
  std::vector<uint32_t> indices;
  for (const auto& [process, w] : watched_)
    if (process != 0) indices.push_back(process);
  return indices;
}

bool Checkpoints::ready(const Process& p, Version v) const {
  return JointCheckpoints::shares(p, v) ? joint_.complete(v)
                                        : asleep(p.checkpoint[static_cast<int>(v)]);
}

ordered_json Checkpoints::status(uint32_t process, Version v) const {
  const Process& p = arena_.control().processes[process];
  const Checkpoint& c = p.checkpoint[static_cast<int>(v)];
  const bool sleeps = ready(p, v);
  ordered_json j{
      {"asleep", sleeps},
      {"made", c.count},
      {"last_microseconds", static_cast<int64_t>(ticks_to_microseconds(c.cost_ticks))},
      {"total_microseconds", static_cast<int64_t>(ticks_to_microseconds(c.total_ticks))}};
  if (sleeps) {
    const pid_t pid = current_of(c).pid.load();
    j["pid"] = pid;
    j["private_kib"] = private_kib(pid);
  } else {
    j["reason"] = why_no_checkpoint(c);
  }
  return j;
}

}  // namespace mx::monitor
