#include "analyzer/match/verdict.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <unordered_map>

#include "analyzer/base/hex.h"

namespace mx::analyzer {
namespace {

constexpr size_t kMostReasons = 8;

// One direction: code of `to` is brought into a process of `from`.
class Direction {
 public:
  Direction(Analysis& a, bool old_to_new)
      : a_(a),
        forward_(old_to_new),
        from_(old_to_new ? *a.versions.old_program : *a.versions.new_program),
        to_(old_to_new ? *a.versions.new_program : *a.versions.old_program),
        to_features_(old_to_new ? a.versions.new_features : a.versions.old_features) {
    for (const DataResult& d : a.data) {
      uint64_t address = forward_ ? d.new_address : d.old_address;
      if (address) data_[address] = &d;
    }
    const auto& from_features = old_to_new ? a.versions.old_features : a.versions.new_features;
    for (const FunctionResult& r : a.functions) {
      uint32_t f = old_to_new ? r.old_index : r.new_index;
      if (f == kNone || r.status == FunctionStatus::changed) continue;
      if (from_.functions()[f].parent != kNone) continue;  // it goes where its function goes
      for (uint32_t g : from_features[f].callees) called_by_unchanged_.emplace(g, f);
    }
    for (uint32_t f = 0; f < to_.functions().size(); ++f)
      if (to_.functions()[f].parent != kNone) cold_[to_.functions()[f].parent].push_back(f);
  }

  Verdict judge(const FunctionResult& r) {
    Verdict v;
    uint32_t f = forward_ ? r.new_index : r.old_index;
    for (const std::string& reason : obstacles(f)) add(v, Possible::no, reason);
    for (const std::string& type : r.changed_types) add(v, Possible::no, type);
    parameters(r, v);
    frames(r, v);
    return v;
  }

 private:
  static void add(Verdict& v, Possible p, const std::string& reason) {
    v.possible = std::max(v.possible, p);
    if (std::find(v.reasons.begin(), v.reasons.end(), reason) != v.reasons.end()) return;
    if (v.reasons.size() < kMostReasons)
      v.reasons.push_back(reason);
    else if (v.reasons.size() == kMostReasons)
      v.reasons.push_back("…");
  }
  // Reasons in the code of function `f` of `to_` itself, in its cold parts and in the added
  // functions it calls.
  std::vector<std::string> obstacles(uint32_t f) {
    auto known = memo_.find(f);
    if (known != memo_.end()) return known->second;
    memo_[f] = {};  // a cycle adds nothing new
    std::vector<std::string> out;
    own_obstacles(f, out);
    for (uint32_t part : cold_[f]) own_obstacles(part, out);
    return memo_[f] = out;
  }
  void own_obstacles(uint32_t f, std::vector<std::string>& out);
  void data_obstacle(uint64_t place, std::vector<std::string>& out) const;
  void parameters(const FunctionResult& r, Verdict& v) const;
  void frames(const FunctionResult& r, Verdict& v) const;
  const Match& counterpart(uint32_t f) const {
    return forward_ ? a_.correspondence->of_new(f) : a_.correspondence->of_old(f);
  }
  const char* other_version() const { return forward_ ? "old" : "new"; }

  Analysis& a_;
  bool forward_;
  const Program &from_, &to_;
  const std::vector<Features>& to_features_;
  std::unordered_map<uint64_t, const DataResult*> data_;
  std::unordered_map<uint32_t, std::vector<uint32_t>> cold_;
  std::unordered_map<uint32_t, std::vector<std::string>> memo_;
  std::unordered_map<uint32_t, uint32_t> called_by_unchanged_;  // function → one that calls it
};

void Direction::data_obstacle(uint64_t place, std::vector<std::string>& out) const {
  const Image& image = to_.image();
  bool carried = image.constant(place);  // constant bytes travel with the code
  if (const DataObject* d = to_.data_containing(place)) {
    auto it = data_.find(d->address);
    const DataResult* r = it == data_.end() ? nullptr : it->second;
    bool missing = !r || r->status == DataStatus::added || r->status == DataStatus::removed;
    if (missing && !carried)
      out.push_back("refers to the global `" + d->name + "`, which the " + other_version() +
                    " version has not");
    if (r && r->status == DataStatus::resized && !carried)
      out.push_back("the global `" + d->name + "` has " + std::to_string(r->old_size) +
                    " bytes in the old version and " + std::to_string(r->new_size) +
                    " in the new one");
    return;
  }
  if (carried) return;
  uint64_t other =
      forward_ ? a_.correspondence->old_data(place) : a_.correspondence->new_data(place);
  if (!other && image.mapped(place))
    out.push_back("refers to data at " + hex(place) + " that has no counterpart in the " +
                  other_version() + " version");
}

void Direction::own_obstacles(uint32_t f, std::vector<std::string>& out) {
  const Function& code = to_.functions()[f];
  if (code.damaged) out.push_back("some of its bytes are no known instructions");
  for (const Step& s : to_features_[f].steps) {
    if (s.kind() == MeaningKind::data) data_obstacle(place_of(to_, code, s), out);
    // An import that the other version has not is no obstacle: recovery finds it in the process's
    // libraries.
    if (s.kind() != MeaningKind::function) continue;
    uint64_t place = place_of(to_, code, s);
    uint32_t g = to_.function_containing(place);
    if (g == kNone) {
      out.push_back("refers to code at " + hex(place) + " that belongs to no function");
      continue;
    }
    const Function& callee = to_.functions()[g];
    if (place != callee.address && callee.kind != FunctionKind::cold &&
        code.kind != FunctionKind::cold)
      out.push_back("jumps into the function `" + callee.name + "`");
    if (counterpart(g).other == kNone && callee.kind != FunctionKind::cold) {
      auto inner = obstacles(g);
      if (!inner.empty())
        out.push_back("calls `" + callee.name + "`, which the other version has not and which " +
                      inner[0]);
    }
  }
}

// Code that comes along calls the new body, all other code the old one. Where neither is certain,
// it cannot be brought in.
void Direction::parameters(const FunctionResult& r, Verdict& v) const {
  if (r.parameters_differ.empty()) return;
  uint32_t f = forward_ ? r.old_index : r.new_index, g = forward_ ? r.new_index : r.old_index;
  if (from_.functions()[f].address_taken || to_.functions()[g].address_taken)
    add(v, Possible::no, r.parameters_differ + ", and it is called through pointers");
  else if (auto it = called_by_unchanged_.find(f); it != called_by_unchanged_.end())
    add(v, Possible::no,
        r.parameters_differ + ", and `" + from_.functions()[it->second].name +
            "`, which keeps its code, calls it");
}

void Direction::frames(const FunctionResult& r, Verdict& v) const {
  std::set<uint64_t> paired;
  for (const CallSite& s : r.call_sites) {
    paired.insert(forward_ ? s.old_return : s.new_return);
    const Crossing& c = forward_ ? *s.old_to_new : *s.new_to_old;
    if (c.change == FrameChange::no)
      add(v, Possible::when_inactive,
          "frame differs at the call before " + hex(forward_ ? s.old_return : s.new_return) + ": " +
              c.why_not);
  }
  const Function& f = from_.functions()[forward_ ? r.old_index : r.new_index];
  for (const Instruction& i : f.code)
    if (is_call(i.flow) && !paired.count(f.next_of(i)))
      add(v, Possible::when_inactive,
          "the call before " + hex(f.next_of(i)) + " has no counterpart in the other version");
}

}  // namespace

void judge(Analysis& a) {
  Direction forward(a, true), backward(a, false);
  for (FunctionResult& r : a.functions) {
    if (r.status != FunctionStatus::changed || r.old_index == kNone || r.new_index == kNone)
      continue;
    r.old_to_new = forward.judge(r);
    r.new_to_old = backward.judge(r);
  }
}

}  // namespace mx::analyzer
