#include "analyzer/output/side_by_side.h"

#include "analyzer/code/blocks.h"
#include "analyzer/code/decoder.h"
#include "analyzer/match/similarity.h"

namespace mx::analyzer {
namespace {

// Assembly text of each step, with the meaning of its reference behind it.
class Lister {
 public:
  Lister(const Program& p, const Function& f, const Features& x)
      : p_(p), f_(f), x_(x), decoder_(p.image()) {}

  uint64_t address(uint32_t step) const {
    return f_.address_of(f_.code[x_.steps[step].instruction]);
  }
  Meaning meaning(uint32_t step) const { return meaning_of(p_, f_, x_.steps[step]); }
  std::string text(uint32_t step) {
    const Step& s = x_.steps[step];
    const Instruction& i = f_.code[s.instruction];
    std::string t = decoder_.text(p_.image().bytes_from(address(step)), address(step));
    if (s.kind() == MeaningKind::none) return t;
    const char* tail = is_tail_call(p_, f_, i) ? " (tail call)" : "";
    if (s.kind() == MeaningKind::import) {
      std::string name = p_.import_at(f_.target_of(i));
      return t + "  ; " + (name.empty() ? "import" : name) + tail;
    }
    return t + "  ; " + describe(p_, meaning(step)) + tail;
  }

 private:
  const Program& p_;
  const Function& f_;
  const Features& x_;
  Decoder decoder_;
};

}  // namespace

std::vector<CodeLine> side_by_side(const Analysis& a, const FunctionResult& r) {
  static const Features kNothing;
  static const Function kNoFunction;
  const Versions& v = a.versions;
  const Features& x = r.old_index == kNone ? kNothing : v.old_features[r.old_index];
  const Features& y = r.new_index == kNone ? kNothing : v.new_features[r.new_index];
  Lister left(*v.old_program, r.old_index == kNone ? kNoFunction : *a.old_function(r), x);
  Lister right(*v.new_program, r.new_index == kNone ? kNoFunction : *a.new_function(r), y);
  std::vector<CodeLine> out;
  uint32_t i = 0, j = 0;
  auto until = [&](uint32_t i1, uint32_t j1) {
    for (; i < i1; ++i) out.push_back({CodeLine::removed, left.address(i), 0, left.text(i), ""});
    for (; j < j1; ++j) out.push_back({CodeLine::added, 0, right.address(j), "", right.text(j)});
  };
  for (auto [p, q] : align_steps(x, y)) {
    until(p, q);
    bool same = same_meaning(v, *a.correspondence, left.meaning(p), right.meaning(q));
    if (same) {
      out.push_back(
          {CodeLine::same, left.address(p), right.address(q), left.text(p), right.text(q)});
    } else {
      out.push_back({CodeLine::removed, left.address(p), 0, left.text(p), ""});
      out.push_back({CodeLine::added, 0, right.address(q), "", right.text(q)});
    }
    i = p + 1;
    j = q + 1;
  }
  until(static_cast<uint32_t>(x.steps.size()), static_cast<uint32_t>(y.steps.size()));
  return out;
}

}  // namespace mx::analyzer
