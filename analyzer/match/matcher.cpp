#include "analyzer/match/matcher.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "analyzer/base/hash.h"
#include "analyzer/match/alignment.h"
#include "analyzer/match/similarity.h"

namespace mx::analyzer {
namespace {

constexpr int kMostRounds = 12;

class Matcher {
 public:
  explicit Matcher(const Versions& v)
      : v_(v),
        old_(v.old_program->functions()),
        new_(v.new_program->functions()),
        c_(old_.size(), new_.size()) {}

  Correspondence run() {
    by_name();
    by_parent();
    for (int round = 0; round < kMostRounds; ++round) {
      size_t before = pairs_;
      by_content();
      by_call_graph();
      by_parent();
      if (pairs_ == before && !by_tables() && !by_order(round > 2 ? 0.4 : 0.6)) break;
    }
    by_similarity();
    by_parent();
    vote_on_data();
    return std::move(c_);
  }

 private:
  bool free_old(uint32_t f) const { return c_.of_old(f).other == kNone; }
  bool free_new(uint32_t f) const { return c_.of_new(f).other == kNone; }
  bool compatible(uint32_t o, uint32_t n) const {
    auto cold_or_plt = [](FunctionKind k) {
      return k == FunctionKind::ifunc ? FunctionKind::normal : k;
    };
    if (cold_or_plt(old_[o].kind) != cold_or_plt(new_[n].kind)) return false;
    // Two different real names are two functions, unless one was renamed: only content may say so.
    return true;
  }
  bool names_differ(uint32_t o, uint32_t n) const {
    return old_[o].named && new_[n].named && base_name(old_[o].name) != base_name(new_[n].name);
  }
  void pair(uint32_t o, uint32_t n, MatchedBy by, float confidence) {
    if (compatible(o, n) && c_.pair(o, n, by, confidence)) ++pairs_;
  }

  void by_name();
  void by_aliases();
  void by_clone_name();
  void by_parent();
  void by_content();
  void by_call_graph();
  bool by_tables();
  bool by_order(double least);
  void pair_gap(uint32_t o0, uint32_t o1, uint32_t n0, uint32_t n1, double least);
  void by_similarity();
  void vote_on_data();
  uint64_t refined(const Program& p, const Features& f, uint32_t index, bool old_side) const;

  const Versions& v_;
  const std::vector<Function>&old_, &new_;
  Correspondence c_;
  size_t pairs_ = 0;
};

// Equal names are paired in file order within the same source file, then the rest by likeness.
void Matcher::by_name() {
  std::map<std::tuple<std::string, std::string, FunctionKind>,
           std::pair<std::vector<uint32_t>, std::vector<uint32_t>>>
      groups;
  auto fill = [&](bool with_file) {
    groups.clear();
    for (uint32_t f = 0; f < old_.size(); ++f)
      if (old_[f].named && free_old(f))
        groups[{old_[f].name, with_file ? old_[f].file : "", old_[f].kind}].first.push_back(f);
    for (uint32_t f = 0; f < new_.size(); ++f)
      if (new_[f].named && free_new(f))
        groups[{new_[f].name, with_file ? new_[f].file : "", new_[f].kind}].second.push_back(f);
  };
  for (bool with_file : {true, false}) {
    fill(with_file);
    for (auto& [key, group] : groups) {
      auto& [olds, news] = group;
      if (olds.size() == 1 && news.size() == 1) {
        pair(olds[0], news[0], MatchedBy::name, 1.0f);
        continue;
      }
      for (uint32_t o : olds)  // twins: first those that read the same
        for (uint32_t n : news)
          if (free_old(o) && free_new(n) && v_.old_features[o].shape == v_.new_features[n].shape)
            pair(o, n, MatchedBy::name, 0.95f);
      std::erase_if(olds, [&](uint32_t o) { return !free_old(o); });
      std::erase_if(news, [&](uint32_t n) { return !free_new(n); });
      for (size_t k = 0; k < std::min(olds.size(), news.size()); ++k)
        pair(olds[k], news[k], MatchedBy::name, olds.size() == news.size() ? 0.9f : 0.7f);
    }
  }
  by_aliases();
  by_clone_name();
}

void Matcher::by_aliases() {
  std::unordered_map<std::string, uint32_t> names;
  for (uint32_t f = 0; f < new_.size(); ++f) {
    if (!free_new(f) || !new_[f].named) continue;
    names.emplace(new_[f].name, f);
    for (const auto& a : new_[f].aliases) names.emplace(a, f);
  }
  for (uint32_t f = 0; f < old_.size(); ++f) {
    if (!free_old(f) || !old_[f].named) continue;
    auto it = names.find(old_[f].name);
    for (size_t k = 0; it == names.end() && k < old_[f].aliases.size(); ++k)
      it = names.find(old_[f].aliases[k]);
    if (it != names.end() && free_new(it->second)) pair(f, it->second, MatchedBy::name, 0.95f);
  }
}

// `f.constprop.0` and `f.constprop.1`, or `f.part.0` and `f.part.0.lto_priv.0`.
void Matcher::by_clone_name() {
  std::map<std::string_view, std::vector<uint32_t>> groups;
  for (uint32_t f = 0; f < new_.size(); ++f)
    if (new_[f].named && free_new(f)) groups[base_name(new_[f].name)].push_back(f);
  for (uint32_t f = 0; f < old_.size(); ++f) {
    if (!old_[f].named || !free_old(f)) continue;
    auto it = groups.find(base_name(old_[f].name));
    if (it == groups.end()) continue;
    uint32_t best = kNone;
    double score = 0.3;
    for (uint32_t n : it->second) {
      double s = free_new(n) ? similarity(v_.old_features[f], v_.new_features[n]) : 0;
      if (s > score) score = s, best = n;
    }
    if (best != kNone) pair(f, best, MatchedBy::name, 0.9f);
  }
}

// Cold parts follow their functions.
void Matcher::by_parent() {
  std::map<uint32_t, std::vector<uint32_t>> parts;
  for (uint32_t n = 0; n < new_.size(); ++n)
    if (new_[n].parent != kNone && free_new(n)) parts[new_[n].parent].push_back(n);
  for (uint32_t o = 0; o < old_.size(); ++o) {
    if (old_[o].parent == kNone || !free_old(o)) continue;
    const Match& parent = c_.of_old(old_[o].parent);
    if (parent.other == kNone) continue;
    auto it = parts.find(parent.other);
    if (it == parts.end()) continue;
    for (uint32_t n : it->second)
      if (free_new(n)) {
        pair(o, n, parent.by, parent.confidence);
        break;
      }
  }
}

// The function's own content together with the pairs its callees belong to.
uint64_t Matcher::refined(const Program& p, const Features& f, uint32_t index,
                          bool old_side) const {
  uint64_t h = combine(f.shape, static_cast<uint64_t>(p.functions()[index].kind));
  for (uint32_t callee : f.callees) {
    const Match& m = old_side ? c_.of_old(callee) : c_.of_new(callee);
    uint32_t old_index = old_side ? callee : m.other;
    h = combine(h, m.other == kNone ? 1 : uint64_t{old_index} + 2);
  }
  return h;
}

void Matcher::by_content() {
  for (bool with_callees : {false, true}) {
    std::unordered_map<uint64_t, std::pair<std::vector<uint32_t>, std::vector<uint32_t>>> groups;
    auto key = [&](const Program& p, const Features& f, uint32_t i, bool old_side) {
      return with_callees ? refined(p, f, i, old_side)
                          : combine(f.shape, static_cast<uint64_t>(p.functions()[i].kind));
    };
    for (uint32_t f = 0; f < old_.size(); ++f)
      if (free_old(f)) groups[key(*v_.old_program, v_.old_features[f], f, true)].first.push_back(f);
    for (uint32_t f = 0; f < new_.size(); ++f)
      if (free_new(f))
        groups[key(*v_.new_program, v_.new_features[f], f, false)].second.push_back(f);
    for (auto& [shape, group] : groups) {
      if (group.first.size() != 1 || group.second.size() != 1) continue;
      uint32_t o = group.first[0], n = group.second[0];
      size_t steps = v_.old_features[o].steps.size();
      if (steps < 4 || (names_differ(o, n) && steps < 12)) continue;
      pair(o, n, MatchedBy::content, steps < 12 ? 0.9f : 0.99f);
    }
  }
}

// What two paired functions call at the same place is a pair too.
void Matcher::by_call_graph() {
  std::map<std::pair<uint32_t, uint32_t>, uint32_t> votes;
  for (uint32_t o = 0; o < old_.size(); ++o) {
    uint32_t n = c_.of_old(o).other;
    if (n == kNone) continue;
    const Features &a = v_.old_features[o], &b = v_.new_features[n];
    auto open = [&](const Features& f, bool old_side) {
      return std::any_of(f.callees.begin(), f.callees.end(),
                         [&](uint32_t g) { return old_side ? free_old(g) : free_new(g); });
    };
    auto vote = [&](const Step& x, const Step& y, uint32_t weight) {
      if (x.kind() != MeaningKind::function || y.kind() != MeaningKind::function) return;
      uint32_t f = v_.old_program->function_starting_at(place_of(*v_.old_program, old_[o], x));
      uint32_t g = v_.new_program->function_starting_at(place_of(*v_.new_program, new_[n], y));
      if (f != kNone && g != kNone && free_old(f) && free_new(g) && compatible(f, g) &&
          !names_differ(f, g))
        votes[{f, g}] += weight;
    };
    if (a.shape == b.shape) {
      for (size_t k = 0; k < a.steps.size(); ++k) vote(a.steps[k], b.steps[k], 4);
    } else if (open(a, true) && open(b, false)) {
      for (auto [x, y] : align_steps(a, b)) vote(a.steps[x], b.steps[y], 1);
    }
  }
  std::vector<std::tuple<uint32_t, double, uint32_t, uint32_t>> ranked;
  for (auto [p, weight] : votes) {
    double likeness = similarity(v_.old_features[p.first], v_.new_features[p.second]);
    if (likeness >= 0.3) ranked.emplace_back(weight, likeness, p.first, p.second);
  }
  std::sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) {
    double x = std::get<0>(a) * std::get<1>(a), y = std::get<0>(b) * std::get<1>(b);
    if (x != y) return x > y;
    return std::tie(std::get<2>(a), std::get<3>(a)) < std::tie(std::get<2>(b), std::get<3>(b));
  });
  for (auto [weight, likeness, o, n] : ranked)
    if (free_old(o) && free_new(n))
      pair(o, n, MatchedBy::call_graph, static_cast<float>(0.7 + 0.29 * likeness));
}

namespace {

// What the word at `address` points to when the program runs; 0: nothing of this program. Empty: it
// is no pointer.
std::optional<uint64_t> pointer_at(const Image& image, uint64_t address) {
  if (const Relocation* r = image.relocation_at(address))
    return r->symbol.empty() ? static_cast<uint64_t>(r->addend) : 0;
  if (image.position_independent()) return {};
  auto value = image.u64_at(address);
  return value && image.executable(*value) ? value : std::nullopt;
}

}  // namespace

// Tables of functions (of virtual ones, for one) that the same code refers to: functions at the
// same place in both are pairs. Returns whether it paired any.
bool Matcher::by_tables() {
  constexpr uint64_t kLongest = 8 * 4096;
  constexpr double kLeast = 0.05;  // of likeness: the place says more
  size_t before = pairs_;
  vote_on_data();
  std::vector<std::pair<uint64_t, uint64_t>> tables(c_.data().begin(), c_.data().end());
  std::sort(tables.begin(), tables.end());
  const Image &a = v_.old_program->image(), &b = v_.new_program->image();
  for (auto [o, n] : tables) {
    for (uint64_t at = 0; at < kLongest; at += 8) {
      if (at && (c_.new_data(o + at) || c_.old_data(n + at))) break;  // another table starts
      auto x = pointer_at(a, o + at), y = pointer_at(b, n + at);
      if (!x || !y) break;
      uint32_t f = v_.old_program->function_starting_at(*x);
      uint32_t g = v_.new_program->function_starting_at(*y);
      if (f == kNone || g == kNone || !free_old(f) || !free_new(g) || names_differ(f, g)) continue;
      double likeness = similarity(v_.old_features[f], v_.new_features[g]);
      if (likeness >= kLeast)
        pair(f, g, MatchedBy::call_graph, static_cast<float>(0.7 + 0.29 * likeness));
    }
  }
  return pairs_ != before;
}

// Unpaired functions o0…o1 lie where n0…n1 lie. Comparing each with each is for small gaps; in
// large ones those that read the same are paired first, and leave smaller ones.
void Matcher::pair_gap(uint32_t o0, uint32_t o1, uint32_t n0, uint32_t n1, double least) {
  constexpr uint32_t kSmall = 400;
  if (o1 - o0 <= kSmall && n1 - n0 <= kSmall) {
    for (auto [x, y, likeness] : best_order(v_, o0, o1, n0, n1, least))
      if (!names_differ(x, y) || likeness > 0.95)
        pair(x, y, MatchedBy::order, static_cast<float>(0.5 + 0.49 * likeness));
    return;
  }
  std::vector<uint64_t> olds, news;
  for (uint32_t o = o0; o < o1; ++o) olds.push_back(v_.old_features[o].shape);
  for (uint32_t n = n0; n < n1; ++n) news.push_back(v_.new_features[n].shape);
  for (auto [x, y] : align(olds, news))
    if (!names_differ(o0 + x, n0 + y)) pair(o0 + x, n0 + y, MatchedBy::order, 0.9f);
}

// Between two neighbours that are paired, the functions keep their order. Returns whether it paired
// any.
bool Matcher::by_order(double least) {
  size_t before = pairs_;
  uint32_t last_old = kNone, last_new = kNone;
  for (uint32_t o = 0; o <= old_.size(); ++o) {
    bool end = o == old_.size();
    uint32_t n = end ? static_cast<uint32_t>(new_.size()) : c_.of_old(o).other;
    if (n == kNone) continue;
    uint32_t first_old = last_old == kNone ? 0 : last_old + 1,
             first_new = last_new == kNone ? 0 : last_new + 1;
    if (n > first_new && o > first_old) {
      bool clear = true;  // a pair inside the new gap would cross
      for (uint32_t k = first_new; k < n && clear; ++k) clear = free_new(k);
      if (clear) pair_gap(first_old, o, first_new, n, least);
    }
    last_old = o;
    last_new = n;
  }
  return pairs_ != before;
}

void Matcher::by_similarity() {
  std::vector<uint32_t> olds, news;
  for (uint32_t f = 0; f < old_.size(); ++f)
    if (free_old(f) && old_[f].kind != FunctionKind::plt) olds.push_back(f);
  for (uint32_t f = 0; f < new_.size(); ++f)
    if (free_new(f) && new_[f].kind != FunctionKind::plt) news.push_back(f);
  for (auto [o, n, likeness] : most_similar(v_, olds, news))
    if (free_old(o) && free_new(n) && likeness >= (names_differ(o, n) ? 0.85 : 0.6))
      pair(o, n, MatchedBy::similarity, static_cast<float>(likeness * 0.9));
}

void Matcher::vote_on_data() {
  c_.forget_votes();
  for (uint32_t o = 0; o < old_.size(); ++o) {
    uint32_t n = c_.of_old(o).other;
    if (n == kNone) continue;
    const Features &a = v_.old_features[o], &b = v_.new_features[n];
    auto vote = [&](const Step& x, const Step& y, uint32_t weight) {
      if (x.kind() == MeaningKind::data && y.kind() == MeaningKind::data)
        c_.vote(place_of(*v_.old_program, old_[o], x), place_of(*v_.new_program, new_[n], y),
                weight);
    };
    if (a.shape == b.shape)
      for (size_t k = 0; k < a.steps.size(); ++k) vote(a.steps[k], b.steps[k], 4);
    else
      for (auto [x, y] : align_steps(a, b)) vote(a.steps[x], b.steps[y], 1);
  }
  c_.count_votes();
}

}  // namespace

Correspondence match_functions(const Versions& versions) { return Matcher(versions).run(); }

}  // namespace mx::analyzer
