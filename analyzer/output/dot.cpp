#include <map>
#include <set>

#include "analyzer/match/call_graph.h"
#include "analyzer/output/names.h"
#include "analyzer/output/output.h"

namespace mx::analyzer {
namespace {

std::string quoted(const std::string& name) {
  std::string out = "\"";
  for (char c : name) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

const char* colour_of(FunctionStatus s) {
  switch (s) {
    case FunctionStatus::changed:
      return "gold";
    case FunctionStatus::added:
      return "palegreen";
    case FunctionStatus::removed:
      return "lightcoral";
    default:
      return "white";
  }
}

}  // namespace

std::string to_dot(const Analysis& a) {
  std::map<std::string, FunctionStatus> interesting;
  for (const FunctionResult* r : differences(a)) interesting[a.name_of(*r)] = r->status;
  std::set<CallEdge> added(a.added_edges.begin(), a.added_edges.end()),
      removed(a.removed_edges.begin(), a.removed_edges.end());
  std::set<CallEdge> edges;
  std::set<std::string> nodes;
  for (const FunctionResult& r : a.functions) {
    bool new_side = r.new_index != kNone;
    const Program& p = new_side ? *a.versions.new_program : *a.versions.old_program;
    const Function& f = new_side ? *a.new_function(r) : *a.old_function(r);
    const Features& x =
        new_side ? a.versions.new_features[r.new_index] : a.versions.old_features[r.old_index];
    std::string from = a.name_of(r);
    for (const std::string& to : callees_of(p, f, x)) {
      if (to == "*" || to.find("@plt") != std::string::npos) continue;
      if (interesting.count(from) || interesting.count(to)) edges.insert({from, to});
    }
  }
  edges.insert(added.begin(), added.end());
  edges.insert(removed.begin(), removed.end());
  std::string out =
      "digraph changes {\n  rankdir=LR;\n  node [shape=box, style=filled, fillcolor=white, "
      "fontname=monospace];\n";
  for (const CallEdge& e : edges) nodes.insert(e.from), nodes.insert(e.to);
  for (const auto& [name, status] : interesting) nodes.insert(name);
  for (const std::string& n : nodes) {
    auto it = interesting.find(n);
    std::string label = short_name(n);
    out += "  " + quoted(n) +
           " [fillcolor=" + (it == interesting.end() ? "white" : colour_of(it->second)) +
           (label == n ? "" : ", label=" + quoted(label)) + "];\n";
  }
  for (const CallEdge& e : edges)
    out += "  " + quoted(e.from) + " -> " + quoted(e.to) +
           (added.count(e)     ? " [color=green]"
            : removed.count(e) ? " [color=red, style=dashed]"
                               : "") +
           ";\n";
  return out + "}\n";
}

}  // namespace mx::analyzer
