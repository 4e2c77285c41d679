#include "shim/monitor/checkpoints.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "shim/monitor/checkpoint_policy.h"
#include "shim/monitor/events.h"
#include "shim/monitor/page_cost.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;

namespace {

constexpr double kHotFor = 30;         // seconds
constexpr double kFirst = 0.1;         // a program that ends sooner pays nothing
constexpr double kWithoutMemory = 60;  // seconds
constexpr double kApart = 0.06;  // two versions' checkpoints: each costs a round of copied pages
constexpr double kPatience = 1;  // for a thread to come by and make what was asked for
constexpr int kIdleMs = 500;
constexpr uint64_t kBusy = 4096;  // bytes published between two looks

struct Usage {
  uint64_t minor_faults = 0;
  double cpu = 0;  // seconds
};

Usage usage_of(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text, skip;
  std::getline(in, text);
  const size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  // state ppid pgrp session tty tpgid flags minflt cminflt majflt cmajflt utime stime: proc(5)
  Usage u;
  uint64_t user = 0, system = 0;
  for (int i = 0; i < 7; i++) fields >> skip;
  fields >> u.minor_faults >> skip >> skip >> skip >> user >> system;
  u.cpu = static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return u;
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

const CheckpointPolicy& Checkpoints::policy(double now) const {
  return recovered_ + kHotFor > now ? kHot : kCalm;
}

int Checkpoints::interval_ms() const {
  if (!on_) return -1;
  return busy_ ? policy(next_).look_ms : kIdleMs;
}

void Checkpoints::look(double now) {
  if (!on_ || now < next_) return;
  if (started_ == 0) started_ = now;
  next_ = now + policy(now).look_ms / 2000.0;
  Control& c = arena_.control();
  const Process& p = c.processes[0];
  if (p.state.load() == static_cast<uint32_t>(PairState::kSolo))
    end_all();  // nobody to come back to
  if (p.state.load() != static_cast<uint32_t>(PairState::kPaired) || p.recovery.stage.load() != 0)
    return;
  uint64_t published = 0;
  for (const Lane& l : lanes_taken(c))
    if (l.in_use.load() && l.process == 0) published += l.head.load();
  busy_ = published - published_ > kBusy;
  published_ = published;
  if (now - started_ < kFirst) return;
  for (Version v : {Version::kOld, Version::kNew}) look_at(v, published, now);
}

void Checkpoints::look_at(Version v, uint64_t published, double now) {
  Process& p = arena_.control().processes[0];
  const int i = static_cast<int>(v);
  const Checkpoint& c = p.checkpoint[i];
  Schedule& s = schedule_[i];
  if (!p.alive[i].load() || p.real_pid[i] <= 1) return;
  if (c.made_tsc != s.made_tsc) {
    const Usage u = usage_of(p.real_pid[i]);
    const double cost = ticks_to_microseconds(c.cost_ticks) / 1e6;
    s = {c.made_tsc, now, 0, u.minor_faults, published, u.cpu, 0, cost, s.sleeper_cost};
  }
  const Schedule& other = schedule_[1 - i];
  if (now - std::max(other.asked, other.made) < kApart) return;
  if (!due(s, c, published, p.real_pid[i], now)) return;
  s.asked = now;
  p.look_up[i].fetch_or(kWantCheckpoint);
}

bool Checkpoints::due(Schedule& s, const Checkpoint& c, uint64_t published, pid_t pid,
                      double now) const {
  const CheckpointPolicy& rule = policy(now);
  if (s.asked > s.made && now - s.asked < std::min(kPatience, 2 * rule.shortest)) return false;
  if (s.made == 0) return true;
  const Situation at{asleep(c),
                     busy_,
                     now - s.made,
                     now - s.weighed,
                     published - s.published,
                     arena_.control().settings.log_size};
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

void Checkpoints::soon(Version v, double now) {
  recovered_ = now;
  busy_ = true;
  next_ = 0;
  schedule_[static_cast<int>(v)] = {};
  Process& p = arena_.control().processes[0];
  schedule_[static_cast<int>(v)].made_tsc = p.checkpoint[static_cast<int>(v)].made_tsc;
  schedule_[static_cast<int>(v)].asked = now;
  p.look_up[static_cast<int>(v)].fetch_or(kWantCheckpoint);
}

void Checkpoints::child_ended(pid_t pid, bool out_of_memory, double used, double now) {
  for (Version v : {Version::kOld, Version::kNew}) {
    const int i = static_cast<int>(v);
    Checkpoint& c = arena_.control().processes[0].checkpoint[i];
    Sleeper* s = sleeper_of(c, pid);
    if (!s) continue;
    schedule_[i].sleeper_cost = used;
    if (!was_wanted(*s) || !out_of_memory) continue;
    c.refusal = static_cast<uint32_t>(CheckpointRefusal::kOutOfMemory);
    next_ = now + kWithoutMemory;
  }
}

void end_sleeper(Sleeper& s) {
  if (change(s, SleeperState::kAsleep, SleeperState::kVoid) ||
      change(s, SleeperState::kMaking, SleeperState::kVoid))
    if (const pid_t pid = s.pid.load(); pid > 1) kill(pid, SIGKILL);
}

void Checkpoints::end_all() {
  for (Checkpoint& c : arena_.control().processes[0].checkpoint)
    for (Sleeper& s : c.sleepers) end_sleeper(s);
}

ordered_json Checkpoints::status(Version v) const {
  const Checkpoint& c = arena_.control().processes[0].checkpoint[static_cast<int>(v)];
  const bool sleeps = asleep(c);
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
