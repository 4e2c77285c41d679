#include "analyzer/match/call_graph.h"

#include <algorithm>

namespace mx::analyzer {
namespace {

std::string import_name(const Program& p, uint64_t target) {
  std::string name = p.import_at(target);
  if (name.empty()) {
    uint32_t g = p.function_containing(target);
    if (g != kNone) name = p.import_at(p.functions()[g].address);
  }
  return name.empty() ? name : name + "@plt";
}

// Names of callees; functions of the new version take the old name of their pair.
std::set<std::string> edges(const Versions& v, const Correspondence& c, uint32_t f, bool old_side) {
  const Program& p = old_side ? *v.old_program : *v.new_program;
  const Features& x = old_side ? v.old_features[f] : v.new_features[f];
  std::set<std::string> out;
  for (const Step& s : x.steps) {
    const Function& from = p.functions()[f];
    const Instruction& i = from.code[s.instruction];
    if (s.kind() == MeaningKind::import) {
      if (is_call(i.flow) || i.flow == Flow::jump || i.flow == Flow::indirect_jump)
        out.insert(import_name(p, from.target_of(i)));
    } else if (s.kind() == MeaningKind::function) {
      uint32_t g = p.function_containing(place_of(p, from, s));
      if (g == kNone) continue;
      uint32_t old_index = old_side ? g : c.of_new(g).other;
      out.insert(old_index == kNone ? p.functions()[g].name
                                    : v.old_program->functions()[old_index].name);
    } else if (i.flow == Flow::indirect_call) {
      out.insert("*");
    }
  }
  out.erase("");
  return out;
}

}  // namespace

std::set<std::string> callees_of(const Program& program, const Function& f,
                                 const Features& features) {
  std::set<std::string> out;
  for (const Step& s : features.steps) {
    const Instruction& i = f.code[s.instruction];
    if (s.kind() == MeaningKind::import)
      out.insert(import_name(program, f.target_of(i)));
    else if (s.kind() == MeaningKind::function) {
      uint32_t g = program.function_containing(place_of(program, f, s));
      if (g != kNone) out.insert(program.functions()[g].name);
    } else if (i.flow == Flow::indirect_call)
      out.insert("*");
  }
  out.erase("");
  return out;
}

void compare_call_graphs(Analysis& a) {
  for (const FunctionResult& r : a.functions) {
    if (r.status == FunctionStatus::identical) continue;
    std::set<std::string> before, after;
    if (r.old_index != kNone) before = edges(a.versions, *a.correspondence, r.old_index, true);
    if (r.new_index != kNone) after = edges(a.versions, *a.correspondence, r.new_index, false);
    std::string from = a.name_of(r);
    for (const std::string& to : after)
      if (!before.count(to)) a.added_edges.push_back({from, to});
    for (const std::string& to : before)
      if (!after.count(to)) a.removed_edges.push_back({from, to});
  }
  std::sort(a.added_edges.begin(), a.added_edges.end());
  std::sort(a.removed_edges.begin(), a.removed_edges.end());
}

}  // namespace mx::analyzer
