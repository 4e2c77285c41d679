#include "shim/monitor/joint_checkpoints.h"

#include <fcntl.h>

#include <algorithm>
#include <cmath>

#include "shim/monitor/checkpoints.h"
#include "shim/monitor/events.h"

namespace mx::monitor {

using namespace stream;

namespace {

constexpr size_t kMostMembers = 32;
constexpr double kLongest = 0.04;        // seconds that those who rest wait for the others
constexpr double kLongestMaking = 1;     // … and that the copies may take: nobody waits for them
constexpr double kLongestRest = 10;      // after rounds that came to nothing
constexpr double kKickInterval = 0.002;  // seconds: see Handover

uint32_t word(JointPhase p) { return static_cast<uint32_t>(p); }
uint32_t word(PairState s) { return static_cast<uint32_t>(s); }

// The version's process is there, or will be, and is no follower that was dropped.
bool lives(const Process& p, Version v) {
  const auto state = static_cast<PairState>(p.state.load());
  if (state == PairState::kFree || state == PairState::kEnded) return false;
  const bool leads = p.leader.load() == static_cast<uint32_t>(v);
  if (state == PairState::kSolo && !leads) return false;
  const int i = static_cast<int>(v);
  return p.alive[i].load() || fetched(p.real_pid[i]) == 0;
}

}  // namespace

JointCheckpoints::Members JointCheckpoints::members(Version v,
                                                    std::optional<uint32_t> ended) const {
  Members all;
  for (const Process& p : processes_taken(arena_.control())) {
    const auto i = static_cast<uint32_t>(&p - arena_.control().processes);
    if (shares(p, v) && (lives(p, v) || i == ended)) all.emplace_back(i, fetched(p.vpid));
  }
  return all;
}

bool JointCheckpoints::can_take_part(const Process& p, Version v) const {
  return p.state.load() == word(PairState::kPaired) && p.recovery.stage.load() == 0 &&
         p.alive[0].load() && p.alive[1].load() && p.real_pid[static_cast<int>(v)] > 1;
}

int JointCheckpoints::free_slot(Version v) const {
  const int i = static_cast<int>(v);
  uint32_t used = 0;
  for (const Process& p : processes_taken(arena_.control())) {
    if (const uint32_t slot = p.shared_slot[i].load(); slot && p.alive[i].load())
      used |= 1U << ((slot - 1) % kSharedSlots);
    for (const Sleeper& s : p.checkpoint[i].sleepers)
      if (s.round && !is(s, SleeperState::kNone) && !is(s, SleeperState::kVoid))
        used |= 1U << (s.slot % kSharedSlots);
  }
  for (int slot = 0; slot < static_cast<int>(kSharedSlots); slot++)
    if (!(used & (1U << slot))) return slot;
  return -1;
}

// A follower that sleeps looks at its lane, a leader in a call is kicked when it has had time to
// come by itself.
void JointCheckpoints::ask(Process& p) const {
  const int i = static_cast<int>(version_);
  p.look_up[i].fetch_or(kWantJoint);
  if (p.leader.load() != static_cast<uint32_t>(version_)) wake_lanes(arena_.control(), p);
}

void JointCheckpoints::refuse(const Members& all, Version v, uint32_t why) const {
  for (const auto& [i, vpid] : all) checkpoint(i, v).refusal = why;
}

bool JointCheckpoints::clear(Version v, int slot) const {
  const uint64_t place = shared_copy_offset(static_cast<uint32_t>(v), static_cast<uint32_t>(slot));
  return fallocate(arena_.fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                   static_cast<off_t>(place), kSharedSize) == 0;
}

std::vector<uint32_t> JointCheckpoints::begin(Version v, double now) {
  Members all = members(v);
  if (going_on_ || now < rests_[static_cast<int>(v)].until) return {};
  if (all.empty() || all.size() > kMostMembers || any_to_be_woken(v)) return {};
  const bool can = std::all_of(all.begin(), all.end(),
                               [&](const auto& m) { return can_take_part(process(m.first), v); });
  const int slot = free_slot(v);
  if (!can || slot < 0 || !clear(v, slot)) {
    refuse(all, v, static_cast<uint32_t>(CheckpointRefusal::kNotTogether));
    return {};
  }
  next_ = {++number_, std::move(all), false};
  Joint& j = arena_.control().joint[static_cast<int>(v)];
  for (auto* counter : {&j.lock, &j.arrived, &j.copied, &j.taken, &j.refusal}) counter->store(0);
  j.pieces = j.files = 0;
  j.used = 0;
  j.written.store(0);
  j.expected = static_cast<uint32_t>(next_.members.size());
  j.round = number_;
  j.slot = static_cast<uint32_t>(slot);
  j.phase.store(word(JointPhase::kGathering));
  going_on_ = true;
  version_ = v;
  deadline_ = now + kLongest;
  next_kick_ = now + kKickInterval / 2;
  std::vector<uint32_t> asked;
  for (const auto& [i, vpid] : next_.members) {
    ask(process(i));
    asked.push_back(i);
  }
  return asked;
}

void JointCheckpoints::kick() const {
  const int i = static_cast<int>(version_);
  for (const auto& [index, vpid] : next_.members)
    if (process(index).look_up[i].load() & kWantJoint)
      kick_threads(arena_.control(), process(index), i);
}

// Its checkpoint of that round; null: there is none that can be woken.
const Sleeper* JointCheckpoints::sleeper(uint32_t i, Version v, const Round& r) const {
  for (const Sleeper& s : checkpoint(i, v).sleepers)
    if (s.round == r.number && is(s, SleeperState::kAsleep)) return &s;
  return nullptr;
}

bool JointCheckpoints::all_sleep(Version v, const Round& r) const {
  return std::all_of(r.members.begin(), r.members.end(),
                     [&](const auto& m) { return sleeper(m.first, v, r); });
}

bool JointCheckpoints::any_to_be_woken(Version v) const {
  const Round& r = last_[static_cast<int>(v)];
  return r.used && std::any_of(r.members.begin(), r.members.end(), [&](const auto& m) {
           const Process& p = process(m.first);
           return p.vpid == m.second && lives(p, v) && sleeper(m.first, v, r);
         });
}

// From now on these count, and the last ones end.
void JointCheckpoints::take_places() {
  for (const auto& [i, vpid] : next_.members) {
    Checkpoint& c = checkpoint(i, version_);
    const Sleeper* s = sleeper(i, version_, next_);
    if (!s) continue;  // given up this moment: complete() will say so
    c.current.store(static_cast<uint32_t>(s - c.sleepers));
    end_sleeper(c.sleepers[1 - (c.current.load() & 1)]);
  }
  last_[static_cast<int>(version_)] = next_;
  rests_[static_cast<int>(version_)] = {};
  end();
}

// What has been made of it is worth nothing; the last round's stay.
void JointCheckpoints::call_off() {
  Joint& j = arena_.control().joint[static_cast<int>(version_)];
  j.phase.store(word(JointPhase::kCalledOff));
  futex_wake(j.phase);
  const uint32_t why = j.refusal.load();
  refuse(next_.members, version_,
         why ? why : static_cast<uint32_t>(CheckpointRefusal::kNotTogether));
  for (const auto& [i, vpid] : next_.members)
    for (Sleeper& s : checkpoint(i, version_).sleepers)
      if (s.round == next_.number) end_sleeper(s);
  end();
}

void JointCheckpoints::rest(double now) {
  Rest& r = rests_[static_cast<int>(version_)];
  r.until = now + std::min(kLongestRest, std::ldexp(kLongest, r.failed++));
}

void JointCheckpoints::end() {
  for (const auto& [i, vpid] : next_.members)
    process(i).look_up[static_cast<int>(version_)].fetch_and(~kWantJoint);
  going_on_ = false;
}

void JointCheckpoints::step(double now) {
  if (!going_on_) return;
  const Joint& j = arena_.control().joint[static_cast<int>(version_)];
  const auto phase = static_cast<JointPhase>(j.phase.load());
  const bool makes = phase == JointPhase::kMaking;
  if (makes && all_sleep(version_, next_)) {
    take_places();
  } else if (phase == JointPhase::kCalledOff || phase == JointPhase::kIdle ||
             now > (makes ? deadline_ + kLongestMaking : deadline_)) {
    call_off();
    rest(now);
  } else if (phase == JointPhase::kGathering && now >= next_kick_) {
    kick();
    next_kick_ = now + kKickInterval;
  }
}

void JointCheckpoints::begin_epoch(Version v) const {
  const Round& r = last_[static_cast<int>(v)];
  const Sleeper* s = r.members.empty() ? nullptr : sleeper(r.members.front().first, v, r);
  Joint& j = arena_.control().joint[static_cast<int>(v)];
  const uint32_t epoch = 1 - (j.epoch.load() & 1);
  for (uint32_t i = 0; s && i < kSharedLocks; i++)
    arena_.control().shared_locks[i].followed[static_cast<int>(v)][epoch].store(
        j.lock_number[s->slot % kSharedSlots][i]);
  j.epoch.store(epoch);
}

void JointCheckpoints::take_back_epoch(Version v) const {
  std::atomic<uint32_t>& epoch = arena_.control().joint[static_cast<int>(v)].epoch;
  epoch.store(1 - (epoch.load() & 1));
}

std::string JointCheckpoints::why_not(Version v, std::optional<uint32_t> ended) const {
  const Round& r = last_[static_cast<int>(v)];
  if (members(v, ended) == r.members)
    for (const auto& [i, vpid] : r.members)
      if (!sleeper(i, v, r))
        return "of process " + std::to_string(vpid) +
               ", which shares its memory: " + why_no_checkpoint(checkpoint(i, v));
  return "no checkpoint: a process that shares its memory came or went";
}

bool JointCheckpoints::complete(Version v, std::optional<uint32_t> ended) const {
  const Round& r = last_[static_cast<int>(v)];
  return r.number && members(v, ended) == r.members && all_sleep(v, r);
}

}  // namespace mx::monitor
