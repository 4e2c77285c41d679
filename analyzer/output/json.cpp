#include <nlohmann/json.hpp>

#include "analyzer/base/hex.h"
#include "analyzer/code/blocks.h"
#include "analyzer/output/output.h"
#include "analyzer/output/syscall_sites.h"

namespace mx::analyzer {
namespace {

using Json = nlohmann::ordered_json;

const char* kind_of(FunctionKind k) {
  static const char* names[] = {"function", "cold", "plt", "ifunc"};
  return names[static_cast<int>(k)];
}

const char* origin_of(Origin o) {
  static const char* names[] = {"symbol", "dynamic-symbol", "debug-file", "frame",
                                "plt",    "entry",          "init-array", "reference"};
  return names[static_cast<int>(o)];
}

Json system_calls(const Program& p) {
  auto sites = system_call_sites(p.image().path());
  if (!sites) return {{"error", sites.error().sentence}};
  Json list = Json::array();
  for (const SystemCallSite& s : sites.value()) {
    Json j{{"address", hex(s.address)}, {"size", s.size}, {"rewritable", s.rewritable}};
    uint32_t f = p.function_containing(s.address);
    if (f != kNone) j["function"] = p.functions()[f].name;
    if (!s.reason.empty()) j["reason"] = s.reason;
    list.push_back(std::move(j));
  }
  return list;
}

Json program(const Program& p) {
  return {{"path", p.image().path()},
          {"build_id", p.image().build_id_hex()},
          {"debug_file", p.debug_image() ? p.debug_image()->path() : ""},
          {"symbols", p.has_full_symbols() ? "full"
                      : p.has_symbols()    ? "dynamic"
                                           : "none"},
          {"functions", p.functions().size()},
          {"damaged_frames", p.frames().damaged_entries()},
          {"system_calls", system_calls(p)}};
}

// What a function that differs is made of.
Json control_flow(const Program& p, const Function& f) {
  size_t calls = 0, indirect_calls = 0, tail_calls = 0;
  for (const Instruction& i : f.code) {
    calls += i.flow == Flow::call;
    indirect_calls += i.flow == Flow::indirect_call;
    tail_calls += is_tail_call(p, f, i);
  }
  return {{"blocks", basic_blocks(f).size()},
          {"calls", calls},
          {"indirect_calls", indirect_calls},
          {"tail_calls", tail_calls},
          {"jump_tables", f.tables.size()}};
}

// The function that the compiler took this part out of; empty when it is no part.
std::string whole_of(const Program& p, const Function& f) {
  if (f.parent != kNone) return p.functions()[f.parent].name;
  size_t at = f.name.find(".part.");
  return at == std::string::npos ? "" : f.name.substr(0, at);
}

Json side(const Program& p, const Function& f, bool differs) {
  Json j{{"name", f.name},
         {"address", hex(f.address)},
         {"size", f.size},
         {"origin", origin_of(f.origin)}};
  if (!f.aliases.empty()) j["aliases"] = f.aliases;
  if (!f.file.empty()) j["file"] = f.file;
  if (f.address_taken) j["address_taken"] = true;
  if (f.damaged) j["damaged"] = true;
  if (std::string whole = whole_of(p, f); !whole.empty()) j["part_of"] = whole;
  if (differs) j["control_flow"] = control_flow(p, f);
  return j;
}

Json verdict(const Verdict& v) {
  return {{"possible", to_string(v.possible)}, {"reasons", v.reasons}};
}

Json place(PlaceKind kind, int64_t value) {
  switch (kind) {
    case PlaceKind::memory:
      return {{"frame", value}};
    case PlaceKind::reg:
      return {{"register", value}};
    case PlaceKind::address:
      return {{"address", hex(static_cast<uint64_t>(value))}};
    default:
      return {{"constant", value}};
  }
}

Json crossing(const Crossing& c) {
  Json j{{"frame", to_string(c.change)}};
  if (!c.why_not.empty()) j["why_not"] = c.why_not;
  for (const ValueMove& m : c.moves)
    j["moves"].push_back({{"variable", m.variable},
                          {"from", place(m.from_kind, m.from)},
                          {"to", place(m.to_kind, m.to)},
                          {"bytes", m.size}});
  return j;
}

Json call_site(const CallSite& s) {
  Json j{{"old", hex(s.old_return)}, {"new", hex(s.new_return)}, {"frame_same", s.frame_same}};
  j["confidence"] = std::round(s.confidence * 100) / 100;
  if (s.old_depth) j["old_depth"] = *s.old_depth;
  if (s.new_depth) j["new_depth"] = *s.new_depth;
  if (!s.why_not.empty()) j["why_not"] = s.why_not;
  j["old_to_new"] = crossing(*s.old_to_new);
  j["new_to_old"] = crossing(*s.new_to_old);
  return j;
}

Json function(const Analysis& a, const FunctionResult& r) {
  const Function *o = a.old_function(r), *n = a.new_function(r);
  Json j{{"name", a.name_of(r)},
         {"status", to_string(r.status)},
         {"kind", kind_of((o ? o : n)->kind)}};
  bool differs = r.status != FunctionStatus::identical && r.status != FunctionStatus::moved;
  if (o) j["old"] = side(*a.versions.old_program, *o, differs);
  if (n) j["new"] = side(*a.versions.new_program, *n, differs);
  if (o && n) {
    j["matched_by"] = to_string(r.by);
    j["confidence"] = std::round(r.confidence * 100) / 100;
    j["instructions"] = {{"old", r.steps_old}, {"new", r.steps_new}, {"common", r.steps_common}};
  }
  if (r.status == FunctionStatus::changed) {
    j["transplantable"] = {{"old_to_new", verdict(r.old_to_new)},
                           {"new_to_old", verdict(r.new_to_old)}};
    j["calls"] = {{"old", r.old_sites}, {"new", r.new_sites}};
    j["call_sites"] = Json::array();
    for (const CallSite& s : r.call_sites) j["call_sites"].push_back(call_site(s));
    if (!r.parameters_differ.empty()) j["parameters_differ"] = r.parameters_differ;
    if (!r.changed_types.empty()) j["changed_types"] = r.changed_types;
    if (a.old_debug && o) j["source"] = a.old_debug->line_of(o->address);
  }
  return j;
}

Json edges(const std::vector<CallEdge>& list) {
  Json j = Json::array();
  for (const CallEdge& e : list) j.push_back({{"from", e.from}, {"to", e.to}});
  return j;
}

}  // namespace

std::string to_json(const Analysis& a) {
  Json j;
  j["schema"] = 1;
  j["old"] = program(*a.versions.old_program);
  j["new"] = program(*a.versions.new_program);
  j["counts"] = {{"identical", a.counts.identical},
                 {"changed", a.counts.changed},
                 {"added", a.counts.added},
                 {"removed", a.counts.removed},
                 {"moved", a.counts.moved}};
  j["functions"] = Json::array();
  j["cold_parts"] = Json::array();
  for (const FunctionResult& r : a.functions) {
    const Function* f = a.old_function(r) ? a.old_function(r) : a.new_function(r);
    j[f->kind == FunctionKind::cold ? "cold_parts" : "functions"].push_back(function(a, r));
  }
  j["imports"] = Json::array();
  for (const FunctionResult& r : a.imports) {
    std::string name = a.name_of(r);
    j["imports"].push_back(
        {{"name", name.substr(0, name.rfind('@'))}, {"status", to_string(r.status)}});
  }
  j["data"] = Json::array();
  for (const DataResult& d : a.data) {
    Json item{{"name", d.name},
              {"status", to_string(d.status)},
              {"section", d.section},
              {"writable", d.writable}};
    if (d.old_address) item["old"] = {{"address", hex(d.old_address)}, {"size", d.old_size}};
    if (d.new_address) item["new"] = {{"address", hex(d.new_address)}, {"size", d.new_size}};
    if (d.by_votes) item["matched_by"] = "references";
    if (!d.file.empty()) item["file"] = d.file;
    j["data"].push_back(std::move(item));
  }
  j["types"] = Json::array();
  for (const TypeChange& t : a.types) j["types"].push_back({{"name", t.name}, {"change", t.what}});
  j["call_graph"] = {{"added", edges(a.added_edges)}, {"removed", edges(a.removed_edges)}};
  return j.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace mx::analyzer
