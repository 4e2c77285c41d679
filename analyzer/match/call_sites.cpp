// Pairs the calls of two versions of one function, and compares the frames that wait there.
#include <algorithm>
#include <map>

#include "analyzer/base/hash.h"
#include "analyzer/code/stack_depth.h"
#include "analyzer/match/compare.h"
#include "analyzer/match/similarity.h"

namespace mx::analyzer {
namespace {

// A call in one version: its step and what it calls, named the same in both versions.
struct Call {
  uint32_t step = 0;
  uint64_t callee = 0;
  uint64_t key = 0;  // the callee together with the text that is passed, where there is one
};

// Hash of the last text or constant loaded just before a call; 0 if there is none.
uint64_t argument_before(const Program& p, const Function& f, const Features& x, uint32_t call) {
  constexpr uint32_t kArguments = 8;  // steps
  for (uint32_t back = 1; back <= kArguments && back <= call; ++back) {
    const Step& s = x.steps[call - back];
    const Instruction& i = f.code[s.instruction];
    if (i.flow != Flow::next) return 0;
    if (s.kind() == MeaningKind::string) return meaning_of(p, f, s).hash;
  }
  return 0;
}

std::vector<Call> calls_of(const Function& f, const Features& x, const Correspondence& c,
                           const Program& p, bool old_side) {
  std::vector<Call> out;
  for (uint32_t s = 0; s < x.steps.size(); ++s) {
    const Instruction& i = f.code[x.steps[s].instruction];
    if (!is_call(i.flow)) continue;
    Meaning m = meaning_of(p, f, x.steps[s]);
    uint64_t callee = combine(i.token, m.hash);
    if (m.kind == MeaningKind::function) {
      uint32_t g = p.function_containing(m.address);
      uint32_t old_index = g == kNone || old_side ? g : c.of_new(g).other;
      callee = combine(7, old_index == kNone ? m.address * 2 + old_side : uint64_t{old_index} << 2);
    }
    out.push_back({s, callee, combine(callee, argument_before(p, f, x, s))});
  }
  return out;
}

class SiteMatcher {
 public:
  SiteMatcher(const Versions& v, const Correspondence& c, FunctionResult& r)
      : v_(v),
        a_(v.old_program->functions()[r.old_index]),
        b_(v.new_program->functions()[r.new_index]),
        x_(v.old_features[r.old_index]),
        y_(v.new_features[r.new_index]),
        r_(r),
        old_(calls_of(a_, x_, c, *v.old_program, true)),
        new_(calls_of(b_, y_, c, *v.new_program, false)) {
    r.old_sites = static_cast<uint32_t>(old_.size());
    r.new_sites = static_cast<uint32_t>(new_.size());
  }

  void same_steps() {
    for (size_t k = 0; k < old_.size(); ++k) add(k, k, 1.0f);
  }
  void different_steps() {
    by_alignment();
    by_gaps();
  }
  void frames();

 private:
  void add(size_t i, size_t j, float confidence) { pairs_[i] = {j, confidence}; }
  void by_alignment();
  void by_gaps();
  std::shared_ptr<const Crossing> crossing_of(const CallSite& s);
  uint64_t return_address(const Function& f, const Features& x, const Call& call) const {
    return f.next_of(f.code[x.steps[call.step].instruction]);
  }

  const Versions& v_;
  const Function &a_, &b_;
  const Features &x_, &y_;
  FunctionResult& r_;
  std::vector<Call> old_, new_;
  std::map<size_t, std::pair<size_t, float>> pairs_;  // old call → new call
  std::shared_ptr<const Crossing> last_;
};

// Calls of the same function that the alignment of all instructions puts at the same place.
void SiteMatcher::by_alignment() {
  std::vector<uint64_t> ka, kb;
  auto keys = [](const Features& x, const std::vector<Call>& calls, std::vector<uint64_t>& out) {
    for (const Step& s : x.steps) out.push_back(s.key);
    for (const Call& call : calls) out[call.step] = call.key;
  };
  keys(x_, old_, ka);
  keys(y_, new_, kb);
  std::map<uint32_t, size_t> old_at, new_at;
  for (size_t k = 0; k < old_.size(); ++k) old_at[old_[k].step] = k;
  for (size_t k = 0; k < new_.size(); ++k) new_at[new_[k].step] = k;
  Alignment aligned = align(ka, kb);
  r_.steps_common = static_cast<uint32_t>(aligned.size());
  for (size_t k = 0; k < aligned.size(); ++k) {
    auto i = old_at.find(aligned[k].first);
    auto j = new_at.find(aligned[k].second);
    if (i == old_at.end() || j == new_at.end()) continue;
    auto close =
        [&](long d) {  // is the neighbour in the alignment also the neighbour in both codes?
          long q = static_cast<long>(k) + d;
          return q >= 0 && q < static_cast<long>(aligned.size()) &&
                 aligned[q].first == aligned[k].first + d &&
                 aligned[q].second == aligned[k].second + d;
        };
    int support = close(-1) + close(1) + close(-2) + close(2);
    bool unique =
        std::count_if(old_.begin(), old_.end(),
                      [&](const Call& c) { return c.callee == old_[i->second].callee; }) == 1 &&
        std::count_if(new_.begin(), new_.end(),
                      [&](const Call& c) { return c.callee == old_[i->second].callee; }) == 1;
    if (support == 0 && !unique) continue;
    add(i->second, j->second, support >= 3 ? 0.99f : unique ? 0.97f : support == 2 ? 0.95f : 0.9f);
  }
}

// What is left: the only call of a function between two calls that are paired already.
void SiteMatcher::by_gaps() {
  auto taken = pairs_;
  size_t i0 = 0, j0 = 0;
  auto gap = [&](size_t i1, size_t j1) {
    std::map<uint64_t, std::pair<std::vector<size_t>, std::vector<size_t>>> left;
    for (size_t i = i0; i < i1; ++i) left[old_[i].callee].first.push_back(i);
    for (size_t j = j0; j < j1; ++j) left[new_[j].callee].second.push_back(j);
    for (auto& [callee, sides] : left)
      if (sides.first.size() == 1 && sides.second.size() == 1)
        add(sides.first[0], sides.second[0], 0.85f);
  };
  for (auto [i, match] : taken) {
    if (match.first >= j0) gap(i, match.first);
    i0 = i + 1;
    j0 = match.first + 1;
  }
  if (j0 <= new_.size()) gap(old_.size(), new_.size());
}

std::string frame_difference(const FrameRow& a, const FrameRow& b) {
  if (a.cfa_is_expression || b.cfa_is_expression) return "its frame needs an expression";
  if (a.cfa_register != b.cfa_register) return "the frame is found by another register";
  if (a.cfa_offset != b.cfa_offset)
    return "the frame has " + std::to_string(a.cfa_offset) + " bytes in the old version and " +
           std::to_string(b.cfa_offset) + " in the new one";
  return "other registers are saved, or elsewhere";
}

// As far as the layout tells. A program has millions of sites that are the same.
std::shared_ptr<const Crossing> SiteMatcher::crossing_of(const CallSite& s) {
  static const auto same = std::make_shared<const Crossing>(Crossing{FrameChange::same, {}, ""});
  if (s.frame_same) return same;
  if (!last_ || last_->why_not != s.why_not)
    last_ = std::make_shared<const Crossing>(Crossing{FrameChange::no, {}, s.why_not});
  return last_;
}

void SiteMatcher::frames() {
  if (pairs_.empty()) return;
  auto da = stack_depths(*v_.old_program, a_), db = stack_depths(*v_.new_program, b_);
  for (auto [i, match] : pairs_) {
    CallSite s;
    s.old_return = return_address(a_, x_, old_[i]);
    s.new_return = return_address(b_, y_, new_[match.first]);
    s.confidence = match.second;
    // Call frame information holds for the call itself (return address - 1), as every unwinder
    // looks it up.
    const FrameRow* ra = v_.old_program->frames().row_at(s.old_return - 1);
    const FrameRow* rb = v_.new_program->frames().row_at(s.new_return - 1);
    int32_t x = da[x_.steps[old_[i].step].instruction],
            y = db[y_.steps[new_[match.first].step].instruction];
    if (x >= 0) s.old_depth = static_cast<uint32_t>(x);
    if (y >= 0) s.new_depth = static_cast<uint32_t>(y);
    s.frame_known = ra && rb;
    if (!s.frame_known) {
      s.why_not = "there is no call frame information";
    } else if (!same_layout(*ra, *rb)) {
      s.why_not = frame_difference(*ra, *rb);
    } else if (x != y) {
      s.why_not = x < 0 || y < 0 ? "the size of the frame is not certain"
                                 : "the stack is " + std::to_string(x) +
                                       " bytes deep in the old version and " + std::to_string(y) +
                                       " in the new one";
    } else if (x < 0) {
      s.why_not = "the size of the frame is not certain";
    } else {
      s.frame_same = true;
    }
    s.old_to_new = s.new_to_old = crossing_of(s);
    r_.call_sites.push_back(std::move(s));
  }
}

}  // namespace

void match_call_sites(const Versions& v, const Correspondence& c, FunctionResult& r,
                      bool identical) {
  SiteMatcher m(v, c, r);
  if (identical) {
    r.steps_common = r.steps_old;
    m.same_steps();
  } else {
    m.different_steps();
  }
  m.frames();
}

}  // namespace mx::analyzer
