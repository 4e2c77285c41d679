// The operator's side of the monitor: the state folder, `mx status`, `promote` and `drop`.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>

#include "shim/monitor/clock.h"
#include "shim/monitor/events.h"
#include "shim/monitor/monitor.h"

namespace mx::monitor {

using namespace stream;
using nlohmann::ordered_json;

namespace {

const char* text_of(PairState s) {
  switch (s) {
    case PairState::kPaired:
      return "paired";
    case PairState::kSolo:
      return "alone";
    case PairState::kFailover:
      return "failing over";
    default:
      return "ended";
  }
}

bool living(const Process& p) {
  auto s = static_cast<PairState>(p.state.load());
  return s != PairState::kFree && s != PairState::kEnded &&
         (p.alive[0].load() || p.alive[1].load());
}

// Events of one version of a pair: of ended threads, and of those that run.
uint64_t events_of(Control& c, const Process& p, Version v) {
  const auto index = static_cast<uint32_t>(&p - c.processes);
  const bool leads = p.leader.load() == static_cast<uint32_t>(v);
  uint64_t n = p.event_count[static_cast<int>(v)].load();
  for (const Lane& l : lanes_taken(c))
    if (l.in_use.load() && l.process == index) n += leads ? l.events : l.follower_events;
  return n;
}

ordered_json lag_of(Control& c) {
  uint64_t events = 0, bytes = 0;
  for (const Lane& l : lanes_taken(c)) {
    const uint32_t process = fetched(l.process);
    if (!l.in_use.load() || process >= kMaxProcesses) continue;
    if (c.processes[process].state.load() != static_cast<uint32_t>(PairState::kPaired)) continue;
    const uint64_t head = l.head.load(), tail = l.tail.load();
    if (head > tail) bytes += head - tail;
    if (l.events > l.follower_events) events += l.events - l.follower_events;
  }
  return {{"events", events}, {"bytes", bytes}};
}

ordered_json settings_of(const Options& o) {
  ordered_json versions;
  for (Version v : {Version::kOld, Version::kNew}) {
    const int i = static_cast<int>(v);
    versions[name(v)] = {{"program", o.program[i]}, {"root", o.root[i].empty() ? "/" : o.root[i]}};
  }
  return {{"versions", versions},
          {"arguments", o.args},
          {"leader", name(o.leader)},
          {"lockstep", o.full_lockstep ? "full" : "window"},
          {"threads", o.serial_threads ? "serial" : "parallel"},
          {"recovery", o.recovery},
          {"hang_timeout", o.hang_timeout_s},
          {"rules", o.rules},
          {"report", o.report},
          {"pid", getpid()}};
}

}  // namespace

// A folder whose name may be refused is made at once,
// another one when somebody may want to see the run.
void Monitor::open_state() {
  crashes_.set_core(options_.core);
  if (options_.replay_bundle) recoveries_.keep_origins();
  if (!options_.state_folder.empty()) {
    if (options_.crash_dir.empty()) options_.crash_dir = options_.state_folder + "/crash";
    crashes_.set_base(options_.crash_dir);
  } else if (!options_.id.empty()) {
    make_state();
  } else {
    report_.keep_for_copy();
    hidden_ = true;
  }
}

void Monitor::appear() {
  if (!hidden_) return;
  hidden_ = false;
  make_state();
  open_control();
}

void Monitor::grow_up() {
  young_ = false;
  release_standard_streams();
  // At its next call; one that sleeps has no more memory meanwhile.
  root().look_up[root().leader.load() & 1].fetch_or(stream::kWantKeeper);
  appear();
  if (state_) op::clean_stale_runs();
}

int Monitor::until_grown_ms() const {
  if (!young_) return -1;
  return std::max(0, static_cast<int>(std::ceil((grown_at_ - seconds()) * 1000)));
}

// A run without a state folder is still a run: it only cannot be seen by `mx ps`.
void Monitor::make_state() {
  try {
    state_ = std::make_unique<op::StateFolder>(options_.id, settings_of(options_));
    options_.state_folder = state_->out();
    options_.id = state_->id();
    if (options_.crash_dir.empty()) options_.crash_dir = state_->out() + "/crash";
    report_.copy_to(state_->out() + "/report.jsonl");
  } catch (const std::runtime_error& e) {
    if (!options_.id.empty()) throw Error(e.what());
    report_.write("note", {{"reason", std::string("no state folder: ") + e.what()}});
  }
  crashes_.set_base(options_.crash_dir);
}

void Monitor::open_control() {
  if (options_.state_folder.empty()) return;
  try {
    control_.open(options_.state_folder, epoll_);
  } catch (const Error& e) {
    report_.write("note", {{"reason", std::string("no control socket: ") + e.what()}});
  }
}

void Monitor::on_request(ControlSocket::Peer peer, const op::Request& request) {
  switch (request.verb) {
    case op::Verb::kStatus:
      control_.answer(peer, {{"ok", true}, {"status", status()}});
      break;
    case op::Verb::kPromote:
      promote(peer, request.version, op::Verb::kPromote);
      break;
    case op::Verb::kDrop:
      drop(peer, request.version);
      break;
  }
}

ordered_json Monitor::version_status(Version v) const {
  const int i = static_cast<int>(v);
  Control& c = arena_.control();
  ordered_json pids = ordered_json::array();
  uint64_t events = 0, rewritten = 0, trapped = 0;
  bool leads = false, follows = false;
  for (const Process& p : processes_taken(c)) {
    if (!living(p)) continue;
    const bool first = p.leader.load() == static_cast<uint32_t>(v);
    const bool paired = p.state.load() != static_cast<uint32_t>(PairState::kSolo);
    events += events_of(c, p, v);
    rewritten += p.rewritten[i].load();
    trapped += p.trapped[i].load();
    if (!p.alive[i].load() || !(first || paired)) continue;
    leads |= first;
    follows |= !first;
    if (pids.size() < 64) pids.push_back(p.real_pid[i]);
  }
  return {{"program", options_.program[i]},
          {"root", options_.root[i].empty() ? "/" : options_.root[i]},
          {"state", leads     ? "leader"
                    : follows ? "follower"
                              : "gone"},
          {"pids", pids},
          {"events", events},
          {"rewritten_sites", rewritten},
          {"trapped_sites", trapped}};
}

ordered_json Monitor::status() const {
  Control& c = arena_.control();
  uint32_t pairs = 0;
  const Process* shown = &root();
  for (const Process& p : processes_taken(c)) {
    if (!living(p)) continue;
    pairs++;
    if (!living(*shown)) shown = &p;
  }
  ordered_json s{{"id", options_.id},
                 {"monitor", getpid()},
                 {"leader", name(static_cast<Version>(shown->leader.load() & 1))},
                 {"state", text_of(static_cast<PairState>(shown->state.load()))},
                 {"uptime", std::round((seconds() - started_) * 1000) / 1000},
                 {"lockstep", options_.full_lockstep ? "full" : "window"},
                 {"threads", options_.serial_threads ? "serial" : "parallel"},
                 {"processes", pairs},
                 {"versions",
                  {{"old", version_status(Version::kOld)}, {"new", version_status(Version::kNew)}}},
                 {"lag", lag_of(c)},
                 {"checkpoints",
                  {{"old", checkpoints_.status(0, Version::kOld)},
                   {"new", checkpoints_.status(0, Version::kNew)}}}};
  for (const uint32_t i : checkpoints_.children())
    s["checkpoints"]["children"].push_back({{"pid", c.processes[i].vpid},
                                            {"old", checkpoints_.status(i, Version::kOld)},
                                            {"new", checkpoints_.status(i, Version::kNew)}});
  for (const char* event :
       {"failover", "divergence", "crash", "hang", "recovery", "promoted", "dropped", "refused"})
    s["counts"][event] = report_.count(event);
  s["recovery"] = options_.recovery ? "on" : "off";
  s["report"] = options_.report;
  return s;
}

double Monitor::handover_limit() const {
  return options_.hang_timeout_s > 0 ? options_.hang_timeout_s : 10;
}

bool Monitor::comes_back(Version v) {
  bool any = false;
  recoveries_.each_active([&](uint32_t, const PairRecovery& r) { any |= r.version() == v; });
  return any;
}

// A process of the version that is coming back from a failure would be lost: that is waited for.
void Monitor::promote(ControlSocket::Peer peer, Version v, op::Verb verb) {
  if (postponed_ && postponed_->peer != peer) {
    control_.answer(peer, op::refusal("another change of leader has been asked for"));
    return;
  }
  if (comes_back(v)) {
    if (!postponed_) postponed_ = {peer, verb, v, seconds() + handover_limit()};
    return;
  }
  postponed_.reset();
  if (const std::string why = handover_.begin(v, handover_limit()); !why.empty()) {
    control_.answer(peer, op::refusal(why));
    return;
  }
  asked_ = {peer, verb};
}

void Monitor::continue_postponed() {
  if (!postponed_) return;
  const Postponed p = *postponed_;
  if (seconds() > p.until && comes_back(p.to)) {
    postponed_.reset();
    control_.answer(p.peer,
                    op::refusal(std::string(name(p.to)) +
                                " is still coming back from a failure; nothing was changed"));
  } else {
    promote(p.peer, p.to, p.verb);
  }
}

void Monitor::drop(ControlSocket::Peer peer, Version v) {
  bool leads = false, follows = false, alone = false;
  for (const Process& p : processes_taken(arena_.control())) {
    if (!living(p)) continue;
    const bool first = p.leader.load() == static_cast<uint32_t>(v);
    const bool solo = p.state.load() == static_cast<uint32_t>(PairState::kSolo);
    leads |= first;
    alone |= first && solo;
    follows |= !first && !solo && p.alive[static_cast<int>(v)].load();
  }
  if (!leads && !follows) {
    control_.answer(peer,
                    op::refusal(std::string(name(v)) + " has been dropped or has ended already"));
  } else if (alone) {
    control_.answer(peer, op::refusal(std::string(name(v)) + " is the only version left"));
  } else if (leads) {
    promote(peer, other(v), op::Verb::kDrop);
  } else {
    drop_follower(v, "by the operator");
    control_.answer(peer, {{"ok", true}, {"leader", name(other(v))}});
  }
}

void Monitor::drop_follower(Version v, const char* reason) {
  recoveries_.each_active([reason](uint32_t, PairRecovery& r) { r.failed(reason); });
  for (Process& p : processes_taken(arena_.control()))
    if (living(p) && p.leader.load() != static_cast<uint32_t>(v))
      let_leader_go(arena_.control(), p);
  roots_[static_cast<int>(v)].was_dropped = true;
  kill_version(v);
  report_.write(
      "dropped",
      {{"version", name(v)}, {"pid", roots_[static_cast<int>(v)].pid}, {"reason", reason}});
}

void Monitor::continue_handover() {
  continue_postponed();
  if (!handover_.active()) return;
  const Handover::State state = handover_.step();
  if (state == Handover::State::kRunning) return;
  take_messages();
  finish_handover(state == Handover::State::kDone);
}

void Monitor::finish_handover(bool done) {
  if (!handover_.planned()) {
    if (!done)
      report_.write("note", {{"reason",
                              "a child process came to no system call in time: it goes on with the "
                              "version whose parent was killed"}});
    return;
  }
  const Version to = handover_.to(), from = other(to);
  const ControlSocket::Peer peer = std::exchange(asked_.peer, 0);
  if (!done || handover_.changed() == 0) {
    const char* why =
        done ? "the follower was lost while it should take over; see the report"
             : "the leader did not come to a system-call boundary in time; nothing was changed";
    report_.write("note", {{"reason", why}});
    if (peer)
      control_.answer(peer, op::refusal(why));
    else
      part_sharers(from);
    return;
  }
  const auto us = static_cast<int64_t>(ticks_to_microseconds(handover_.ticks()));
  report_.write("promoted", {{"version", name(to)},
                             {"from", name(from)},
                             {"to", name(to)},
                             {"pid", root().real_pid[static_cast<int>(to)]},
                             {"processes", handover_.changed()},
                             {"descriptors", handover_.descriptors()},
                             {"microseconds", us}});
  if (!peer) return;  // those that share memory with a leader that failed: roll_back_sharers()
  const bool asked = asked_.verb == op::Verb::kDrop;
  // It catches up, or has done so by now.
  const bool follows = root().state.load() == static_cast<uint32_t>(PairState::kPaired) &&
                       root().leader.load() == static_cast<uint32_t>(to);
  if (!asked && follows) {
    control_.answer(
        peer,
        {{"ok", true}, {"leader", name(to)}, {"microseconds", us}, {"former_leader", "follows"}});
    return;
  }
  for (Process& p : processes_taken(arena_.control())) {
    recoveries_.of(p).failed("by the operator");
    recoveries_.of(p).refuse();
  }
  const char* reason = asked ? "by the operator" : "the former leader cannot follow";
  roots_[static_cast<int>(from)].was_dropped = true;
  report_.write(
      "dropped",
      {{"version", name(from)}, {"pid", roots_[static_cast<int>(from)].pid}, {"reason", reason}});
  control_.answer(
      peer,
      {{"ok", true}, {"leader", name(to)}, {"microseconds", us}, {"former_leader", "dropped"}});
}

}  // namespace mx::monitor
