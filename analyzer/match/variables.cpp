#include "analyzer/match/variables.h"

#include <future>

#include "analyzer/match/crossing.h"
#include "analyzer/match/parameters.h"

namespace mx::analyzer {
namespace {

using Answers = Result<std::vector<FunctionVariables>>;

const Image& with_dwarf(const Program& p) { return p.debug_image() ? *p.debug_image() : p.image(); }

int32_t known_depth(const std::optional<uint32_t>& depth) {
  return depth ? static_cast<int32_t>(*depth) : -1;
}

void cross_all(const Analysis& a, FunctionResult& r, const FunctionVariables& x,
               const FunctionVariables& y) {
  const Program &p = *a.versions.old_program, &q = *a.versions.new_program;
  FrameUse old_use(p, r.old_index), new_use(q, r.new_index);
  auto same = [&](const RegisterConstant& c, const RegisterConstant& d) {
    if (c.address != d.address || c.place != d.place) return false;
    if (!c.address) return c.value == d.value;
    const Function &f = p.functions()[c.function], &g = q.functions()[d.function];
    return same_meaning(a.versions, *a.correspondence, meaning_of(p, f, f.code[c.instruction]),
                        meaning_of(q, g, g.code[d.instruction]));
  };
  for (size_t k = 0; k < r.call_sites.size(); ++k) {
    CallSite& s = r.call_sites[k];
    FrameView o{p, s.old_return, known_depth(s.old_depth), x, x.at[k], old_use};
    FrameView n{q, s.new_return, known_depth(s.new_depth), y, y.at[k], new_use};
    bool differ = !r.parameters_differ.empty();
    s.old_to_new = std::make_shared<const Crossing>(cross(o, n, differ, same));
    s.new_to_old = std::make_shared<const Crossing>(
        cross(n, o, differ, [&](const auto& own, const auto& other) { return same(other, own); }));
  }
}

}  // namespace

void compare_variables(Analysis& a) {
  if (!a.old_debug || !a.new_debug) return;
  std::vector<FunctionResult*> changed;
  std::vector<VariableRequest> old_requests, new_requests;
  for (FunctionResult& r : a.functions) {
    if (r.status != FunctionStatus::changed || r.old_index == kNone || r.new_index == kNone)
      continue;
    changed.push_back(&r);
    VariableRequest o{a.old_function(r)->address, {}}, n{a.new_function(r)->address, {}};
    // As unwinders do: what holds for the call itself.
    for (const CallSite& s : r.call_sites) {
      o.addresses.push_back(s.old_return - 1);
      n.addresses.push_back(s.new_return - 1);
    }
    old_requests.push_back(std::move(o));
    new_requests.push_back(std::move(n));
  }
  if (changed.empty()) return;
  auto read = [](const Program& p, const std::vector<VariableRequest>& requests) {
    return read_frame_variables(with_dwarf(p), requests);
  };
  auto other = std::async(std::launch::async, read, std::cref(*a.versions.new_program),
                          std::cref(new_requests));
  Answers olds = read(*a.versions.old_program, old_requests);
  Answers news = other.get();
  if (!olds || !news) return;
  for (size_t k = 0; k < changed.size(); ++k) {
    const FunctionVariables &x = olds.value()[k], &y = news.value()[k];
    if (!x.known || !y.known) continue;
    FunctionResult& r = *changed[k];
    if (a.old_function(r)->parent == kNone) r.parameters_differ = parameter_difference(x, y);
    cross_all(a, r, x, y);
  }
}

}  // namespace mx::analyzer
