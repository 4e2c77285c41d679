#include "analyzer/match/compare.h"

namespace mx::analyzer {
namespace {

// The place a branch or table entry leads to: position in the same function, or a place elsewhere.
bool same_place(const Versions& v, const Correspondence& c, const Function& a, const Function& b,
                const std::vector<uint32_t>& pa, const std::vector<uint32_t>& pb,
                uint64_t old_target, uint64_t new_target) {
  bool inside_a = a.contains(old_target), inside_b = b.contains(new_target);
  if (inside_a != inside_b) return false;
  if (!inside_a) {
    return same_meaning(v, c, meaning_of_address(*v.old_program, a, old_target),
                        meaning_of_address(*v.new_program, b, new_target));
  }
  uint32_t x = a.index_at(old_target), y = b.index_at(new_target);
  if (x == kNone || y == kNone) return x == y && old_target - a.address == new_target - b.address;
  return pa[x] == pb[y];
}

bool same_tables(const Versions& v, const Correspondence& c, const Function& a, const Function& b,
                 const std::vector<uint32_t>& pa, const std::vector<uint32_t>& pb) {
  if (a.tables.size() != b.tables.size()) return false;
  for (size_t k = 0; k < a.tables.size(); ++k) {
    const auto &x = a.tables[k].targets, &y = b.tables[k].targets;
    if (x.size() != y.size()) return false;
    for (size_t e = 0; e < x.size(); ++e)
      if (!same_place(v, c, a, b, pa, pb, x[e], y[e])) return false;
  }
  return true;
}

}  // namespace

std::vector<uint32_t> step_positions(const Function& f, const Features& features) {
  std::vector<uint32_t> out(f.code.size());
  uint32_t next = 0;
  for (uint32_t k = 0; k < out.size(); ++k) {
    out[k] = next;
    if (next < features.steps.size() && features.steps[next].instruction == k) ++next;
  }
  return out;
}

bool same_code(const Versions& v, const Correspondence& c, uint32_t o, uint32_t n) {
  const Function &a = v.old_program->functions()[o], &b = v.new_program->functions()[n];
  const Features &x = v.old_features[o], &y = v.new_features[n];
  if (x.steps.size() != y.steps.size() || a.second_refs.size() != b.second_refs.size())
    return false;
  if (a.damaged || b.damaged) {
    auto p = v.old_program->image().bytes_at(a.address, a.size),
         q = v.new_program->image().bytes_at(b.address, b.size);
    if (!std::equal(p.begin(), p.end(), q.begin(), q.end())) return false;
  }
  std::vector<uint32_t> pa, pb;
  for (size_t k = 0; k < x.steps.size(); ++k) {
    const Step &s = x.steps[k], &t = y.steps[k];
    if (s.key != t.key || s.kind() != t.kind()) return false;  // the key holds content
    bool code = s.kind() == MeaningKind::inside || s.kind() == MeaningKind::function;
    if (!code && s.kind() != MeaningKind::data) continue;
    uint64_t p = place_of(*v.old_program, a, s), q = place_of(*v.new_program, b, t);
    if (code) {
      if (pa.empty()) pa = step_positions(a, x), pb = step_positions(b, y);
      if (!same_place(v, c, a, b, pa, pb, p, q)) return false;
    } else if (!same_meaning(v, c, {s.kind(), false, 0, p}, {t.kind(), false, 0, q})) {
      return false;
    }
  }
  for (size_t k = 0; k < a.second_refs.size(); ++k) {
    Meaning m = meaning_of_address(*v.old_program, a, a.second_refs[k].target);
    Meaning w = meaning_of_address(*v.new_program, b, b.second_refs[k].target);
    if (!same_meaning(v, c, m, w)) return false;
  }
  if (a.tables.empty() && b.tables.empty()) return true;
  if (pa.empty()) pa = step_positions(a, x), pb = step_positions(b, y);
  return same_tables(v, c, a, b, pa, pb);
}

}  // namespace mx::analyzer
