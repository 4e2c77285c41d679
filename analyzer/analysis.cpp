#include "analyzer/analysis.h"

#include <algorithm>
#include <chrono>
#include <future>

#include "analyzer/match/call_graph.h"
#include "analyzer/match/compare.h"
#include "analyzer/match/globals.h"
#include "analyzer/match/matcher.h"
#include "analyzer/match/variables.h"
#include "analyzer/match/verdict.h"

namespace mx::analyzer {
namespace {

struct Side {
  std::shared_ptr<const Program> program;
  std::vector<Features> features;
  std::shared_ptr<const DebugInfo> debug;
};

Result<Side> load_side(const std::string& path, const std::string& debug_path, bool use_dwarf) {
  auto program = Program::load(path, debug_path);
  if (!program) return program.error();
  Side side{program.value(), {}, nullptr};
  side.features.reserve(side.program->functions().size());
  for (const Function& f : side.program->functions())
    side.features.push_back(features_of(*side.program, f));
  if (use_dwarf) {
    const Image* separate = side.program->debug_image();
    auto debug = read_debug_info(separate ? *separate : side.program->image());
    if (debug)
      side.debug = debug.value();  // damaged DWARF: go on without it, as if it were stripped
  }
  return side;
}

FunctionStatus status_of(const Versions& v, const Correspondence& c, uint32_t o, uint32_t n) {
  if (!same_code(v, c, o, n)) return FunctionStatus::changed;
  const Function &a = v.old_program->functions()[o], &b = v.new_program->functions()[n];
  bool renamed = a.named && b.named && a.kind != FunctionKind::cold &&
                 base_name(a.name) != base_name(b.name) &&
                 std::find(b.aliases.begin(), b.aliases.end(), a.name) == b.aliases.end() &&
                 std::find(a.aliases.begin(), a.aliases.end(), b.name) == a.aliases.end();
  return renamed ? FunctionStatus::moved : FunctionStatus::identical;
}

FunctionResult pair_result(const Versions& v, const Correspondence& c, uint32_t o) {
  FunctionResult r;
  const Match& m = c.of_old(o);
  r.old_index = o;
  r.new_index = m.other;
  r.by = m.by;
  r.confidence = m.confidence;
  r.steps_old = static_cast<uint32_t>(v.old_features[o].steps.size());
  if (m.other == kNone) {
    r.status = FunctionStatus::removed;
    return r;
  }
  r.steps_new = static_cast<uint32_t>(v.new_features[m.other].steps.size());
  r.status = status_of(v, c, o, m.other);
  return r;
}

void build_results(Analysis& a) {
  const Versions& v = a.versions;
  const Correspondence& c = *a.correspondence;
  const auto &olds = v.old_program->functions(), &news = v.new_program->functions();
  for (uint32_t o = 0; o < olds.size(); ++o) {
    auto& list = olds[o].kind == FunctionKind::plt ? a.imports : a.functions;
    list.push_back(pair_result(v, c, o));
  }
  for (uint32_t n = 0; n < news.size(); ++n) {
    if (c.of_new(n).other != kNone) continue;
    FunctionResult r;
    r.new_index = n;
    r.status = FunctionStatus::added;
    r.steps_new = static_cast<uint32_t>(v.new_features[n].steps.size());
    (news[n].kind == FunctionKind::plt ? a.imports : a.functions).push_back(std::move(r));
  }
  // A stub is the same when it leads to the same symbol, whatever its encoding.
  for (FunctionResult& r : a.imports)
    if (r.status == FunctionStatus::changed) r.status = FunctionStatus::identical;
}

// A function whose cold part changed has changed, though its hot part may read the same.
void spread_from_cold_parts(Analysis& a) {
  std::vector<bool> dirty_old(a.versions.old_program->functions().size()),
      dirty_new(a.versions.new_program->functions().size());
  for (const FunctionResult& r : a.functions) {
    if (r.status == FunctionStatus::identical || r.status == FunctionStatus::moved) continue;
    const Function *o = a.old_function(r), *n = a.new_function(r);
    if (o && o->parent != kNone) dirty_old[o->parent] = true;
    if (n && n->parent != kNone) dirty_new[n->parent] = true;
  }
  for (FunctionResult& r : a.functions) {
    bool same = r.status == FunctionStatus::identical || r.status == FunctionStatus::moved;
    if (same && (dirty_old[r.old_index] || dirty_new[r.new_index]))
      r.status = FunctionStatus::changed;
  }
}

void pair_call_sites(Analysis& a) {
  for (FunctionResult& r : a.functions) {
    if (r.old_index == kNone || r.new_index == kNone) continue;
    bool same_steps = r.status != FunctionStatus::changed ||
                      same_code(a.versions, *a.correspondence, r.old_index, r.new_index);
    match_call_sites(a.versions, *a.correspondence, r, same_steps);
  }
}

// Which changed types each changed function uses.
void note_types(Analysis& a) {
  if (!a.old_debug || !a.new_debug) return;
  a.types = compare_types(*a.old_debug, *a.new_debug);
  for (FunctionResult& r : a.functions) {
    if (r.status != FunctionStatus::changed) continue;
    for (bool old_side : {true, false}) {
      const DebugInfo& d = old_side ? *a.old_debug : *a.new_debug;
      const FunctionInfo* f =
          d.function_at(old_side ? a.old_function(r)->address : a.new_function(r)->address);
      if (!f) continue;
      for (uint32_t t : f->types)
        for (const TypeChange& change : a.types) {
          std::string text = "`" + change.name + "` has another layout: " + change.what;
          bool known = std::find(r.changed_types.begin(), r.changed_types.end(), text) !=
                       r.changed_types.end();
          if (d.types[t].name == change.name && !known) r.changed_types.push_back(text);
        }
    }
  }
}

void count(Analysis& a) {
  for (const FunctionResult& r : a.functions) {
    const Function* f = a.old_function(r) ? a.old_function(r) : a.new_function(r);
    if (f->kind == FunctionKind::cold) continue;
    switch (r.status) {
      case FunctionStatus::identical:
        ++a.counts.identical;
        break;
      case FunctionStatus::changed:
        ++a.counts.changed;
        break;
      case FunctionStatus::added:
        ++a.counts.added;
        break;
      case FunctionStatus::removed:
        ++a.counts.removed;
        break;
      case FunctionStatus::moved:
        ++a.counts.moved;
        break;
    }
  }
}

}  // namespace

const Function* Analysis::old_function(const FunctionResult& r) const {
  return r.old_index == kNone ? nullptr : &versions.old_program->functions()[r.old_index];
}
const Function* Analysis::new_function(const FunctionResult& r) const {
  return r.new_index == kNone ? nullptr : &versions.new_program->functions()[r.new_index];
}
std::string Analysis::name_of(const FunctionResult& r) const {
  const Function *o = old_function(r), *n = new_function(r);
  if (!n) return o->name;
  return o && (o->named || !n->named) && r.status != FunctionStatus::moved ? o->name : n->name;
}

Result<std::shared_ptr<const Analysis>> analyze(const Options& options) {
  auto begin = std::chrono::steady_clock::now();
  auto other = std::async(std::launch::async, load_side, options.new_path, options.new_debug,
                          options.use_dwarf);
  auto old_side = load_side(options.old_path, options.old_debug, options.use_dwarf);
  auto new_side = other.get();
  if (!old_side) return old_side.error();
  if (!new_side) return new_side.error();
  auto a = std::make_shared<Analysis>();
  a->versions = {old_side.value().program, new_side.value().program,
                 std::move(old_side.value().features), std::move(new_side.value().features)};
  a->old_debug = old_side.value().debug;
  a->new_debug = new_side.value().debug;
  a->correspondence = std::make_shared<Correspondence>(match_functions(a->versions));
  build_results(*a);
  spread_from_cold_parts(*a);
  pair_call_sites(*a);
  compare_variables(*a);
  a->data = match_data(a->versions, *a->correspondence);
  note_types(*a);
  judge(*a);
  compare_call_graphs(*a);
  count(*a);
  a->seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return std::shared_ptr<const Analysis>(std::move(a));
}

const char* to_string(FunctionStatus s) {
  static const char* names[] = {"identical", "changed", "added", "removed", "moved"};
  return names[static_cast<int>(s)];
}
const char* to_string(MatchedBy m) {
  static const char* names[] = {"name", "content", "call-graph", "order", "similarity"};
  return names[static_cast<int>(m)];
}
const char* to_string(Possible p) {
  static const char* names[] = {"yes", "when-inactive", "no"};
  return names[static_cast<int>(p)];
}
const char* to_string(FrameChange c) {
  static const char* names[] = {"no", "same", "rebuild"};
  return names[static_cast<int>(c)];
}
const char* to_string(DataStatus s) {
  static const char* names[] = {"same", "content", "resized", "moved", "added", "removed"};
  return names[static_cast<int>(s)];
}

}  // namespace mx::analyzer
