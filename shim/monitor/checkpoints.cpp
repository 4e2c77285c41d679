#include "shim/monitor/checkpoints.h"

#include <signal.h>

#include <fstream>
#include <string>

#include "shim/monitor/events.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;

namespace {

constexpr double kShare = 0.02;  // of the time that checkpoints may cost
constexpr double kFirst = 0.1;   // a program that ends sooner pays nothing
constexpr double kShortest = 0.2, kShortestWhenHot = 0.02;
constexpr double kHot = 30;  // seconds after a recovery
constexpr double kWithoutMemory = 60;
constexpr double kPatience = 1;       // for a thread to come by and make what was asked for
constexpr double kPageCopy = 0.8e-6;  // seconds for a page that is copied on write, measured
constexpr int kBusyMs = 50, kIdleMs = 500, kHotMs = 20;

uint64_t minor_faults(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(in, text);
  size_t at = text.rfind(')');
  if (at == std::string::npos) return 0;
  // After the name: state ppid pgrp session tty tpgid flags minflt
  for (int field = 0; field < 8 && at != std::string::npos; field++) at = text.find(' ', at + 1);
  return at == std::string::npos ? 0 : std::strtoull(text.c_str() + at, nullptr, 10);
}

uint64_t private_kib(pid_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/smaps_rollup");
  uint64_t sum = 0, value;
  for (std::string key; in >> key;)
    if ((key == "Private_Clean:" || key == "Private_Dirty:") && in >> value) sum += value;
  return sum;
}

bool is(const Checkpoint& c, SleeperState s) { return c.state.load() == static_cast<uint32_t>(s); }

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
    case CheckpointRefusal::kOutOfMemory:
      return "killed for want of memory";
  }
  return "?";
}

}  // namespace

std::string why_no_checkpoint(const Checkpoint& c) {
  const char* why = text_of(c.refusal);
  if (*why) return std::string("no checkpoint: ") + why;
  return c.count ? "no checkpoint: the last one has just been used" : "no checkpoint yet";
}

int Checkpoints::interval_ms() const {
  if (!on_) return -1;
  if (!busy_) return kIdleMs;
  return recovered_ + kHot > next_ ? kHotMs : kBusyMs;
}

void Checkpoints::look(double now) {
  if (!on_ || now < next_) return;
  if (started_ == 0) started_ = now;
  next_ = now + (recovered_ + kHot > now ? kHotMs : kBusyMs) / 1000.0 / 2;
  Control& c = arena_.control();
  const Process& p = c.processes[0];
  if (p.state.load() == static_cast<uint32_t>(PairState::kSolo))
    end_all();  // nobody to come back to
  if (p.state.load() != static_cast<uint32_t>(PairState::kPaired) || p.recovery.stage.load() != 0)
    return;
  uint64_t published = 0;
  for (const Lane& l : lanes_taken(c))
    if (l.in_use.load() && l.process == 0) published += l.head.load();
  busy_ = published != published_;
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
    s = {c.made_tsc, now,
         0,          minor_faults(p.real_pid[i]),
         published,  ticks_to_microseconds(c.cost_ticks) / 1e6};
  } else if (s.made > 0) {
    uint64_t faults = minor_faults(p.real_pid[i]);
    if (faults > s.faults)
      s.cost = ticks_to_microseconds(c.cost_ticks) / 1e6 + (faults - s.faults) * kPageCopy;
  }
  if (!due(s, c, published, now)) return;
  s.asked = now;
  p.look_up[i].fetch_or(kWantCheckpoint);
}

bool Checkpoints::due(const Schedule& s, const Checkpoint& c, uint64_t published,
                      double now) const {
  const bool hot = recovered_ + kHot > now;
  if (s.asked > s.made && now - s.asked < (hot ? kShortestWhenHot : kPatience)) return false;
  if (now - s.made < s.cost / kShare) return false;
  if (!is(c, SleeperState::kAsleep)) return now - s.made >= kShortestWhenHot;
  if (published - s.published > arena_.control().settings.log_size / 4) return true;
  return published != s.published && now - s.made >= (hot ? kShortestWhenHot : kShortest);
}

void Checkpoints::soon(Version v, double now) {
  recovered_ = now;
  busy_ = true;
  next_ = 0;
  schedule_[static_cast<int>(v)] = {};
  Process& p = arena_.control().processes[0];
  schedule_[static_cast<int>(v)].made_tsc = p.checkpoint[static_cast<int>(v)].made_tsc;
  p.look_up[static_cast<int>(v)].fetch_or(kWantCheckpoint);
}

void Checkpoints::child_ended(pid_t pid, bool out_of_memory, double now) {
  for (Checkpoint& c : arena_.control().processes[0].checkpoint) {
    auto asleep = static_cast<uint32_t>(SleeperState::kAsleep);
    if (c.pid != pid ||
        !c.state.compare_exchange_strong(asleep, static_cast<uint32_t>(SleeperState::kNone)) ||
        !out_of_memory)
      continue;
    c.refusal = static_cast<uint32_t>(CheckpointRefusal::kOutOfMemory);
    next_ = now + kWithoutMemory;
  }
}

void Checkpoints::end_all() {
  for (Checkpoint& c : arena_.control().processes[0].checkpoint) {
    const uint32_t before = c.state.exchange(static_cast<uint32_t>(SleeperState::kVoid));
    futex_wake(c.state);
    if (before == static_cast<uint32_t>(SleeperState::kAsleep) && c.pid > 1) kill(c.pid, SIGKILL);
  }
}

ordered_json Checkpoints::status(Version v) const {
  const Checkpoint& c = arena_.control().processes[0].checkpoint[static_cast<int>(v)];
  const bool asleep = is(c, SleeperState::kAsleep);
  ordered_json j{
      {"asleep", asleep},
      {"made", c.count},
      {"last_microseconds", static_cast<int64_t>(ticks_to_microseconds(c.cost_ticks))},
      {"total_microseconds", static_cast<int64_t>(ticks_to_microseconds(c.total_ticks))}};
  if (asleep) {
    j["pid"] = c.pid;
    j["private_kib"] = private_kib(c.pid);
  } else {
    j["reason"] = why_no_checkpoint(c);
  }
  return j;
}

}  // namespace mx::monitor
