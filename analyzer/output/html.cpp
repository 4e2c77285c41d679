#include <nlohmann/json.hpp>

#include "analyzer/match/call_graph.h"
#include "analyzer/output/html_parts.h"
#include "analyzer/output/names.h"
#include "analyzer/output/output.h"
#include "analyzer/output/side_by_side.h"

extern "C" const char mx_d3_begin[], mx_d3_end[];

namespace mx::analyzer {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMostCode =
    16u << 20;  // bytes of side-by-side code in one page; what is left out is said
constexpr size_t kMostNodes = 300;  // of the picture

std::string hex(uint64_t x) {
  char text[24];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(x));
  return x ? text : "";
}

Json code(const Analysis& a, const FunctionResult& r) {
  Json lines = Json::array();
  for (const CodeLine& l : side_by_side(a, r))
    lines.push_back({l.kind == CodeLine::same      ? 0
                     : l.kind == CodeLine::removed ? 1
                                                   : 2,
                     hex(l.old_address), with_short_names(l.old_text), hex(l.new_address),
                     with_short_names(l.new_text)});
  return lines;
}

Json verdict(const Verdict& v) {
  Json reasons = Json::array();
  for (const std::string& reason : v.reasons) reasons.push_back(with_short_names(reason));
  return {{"possible", to_string(v.possible)}, {"reasons", reasons}};
}

Json rows(const Analysis& a) {
  Json out = Json::array();
  size_t used = 0;
  for (const FunctionResult* r : differences(a)) {
    Json row{{"name", demangled(a.name_of(*r))},
             {"status", to_string(r->status)},
             {"old", r->steps_old},
             {"new", r->steps_new},
             {"common", r->steps_common},
             {"confidence", static_cast<int>(r->confidence * 100)}};
    if (r->status == FunctionStatus::changed) {
      row["o2n"] = verdict(r->old_to_new);
      row["n2o"] = verdict(r->new_to_old);
    }
    if (used < kMostCode) {
      row["code"] = code(a, *r);
      used += row["code"].size() * 160;
    }
    out.push_back(std::move(row));
  }
  return out;
}

// Changed functions and their neighbours; the largest changes first when there are too many.
Json graph(const Analysis& a) {
  Json nodes = Json::array(), links = Json::array();
  std::map<std::string, size_t> index;
  auto node = [&](const std::string& name, const char* status) -> size_t {
    auto it = index.find(name);
    if (it != index.end()) return it->second;
    if (nodes.size() >= kMostNodes) return SIZE_MAX;
    nodes.push_back({{"name", short_name(name)}, {"status", status}});
    return index[name] = nodes.size() - 1;
  };
  auto list = differences(a);
  for (const FunctionResult* r : list) node(a.name_of(*r), to_string(r->status));
  std::set<CallEdge> added(a.added_edges.begin(), a.added_edges.end()),
      removed(a.removed_edges.begin(), a.removed_edges.end());
  auto link = [&](const std::string& from, const std::string& to, const char* kind) {
    if (to == "*" || to.find("@plt") != std::string::npos) return;
    size_t x = node(from, "identical"), y = node(to, "identical");
    if (x != SIZE_MAX && y != SIZE_MAX)
      links.push_back({{"source", x}, {"target", y}, {"kind", kind}});
  };
  for (const CallEdge& e : added) link(e.from, e.to, "added");
  for (const CallEdge& e : removed) link(e.from, e.to, "removed");
  for (const FunctionResult* r : list) {
    bool new_side = r->new_index != kNone;
    const Program& p = new_side ? *a.versions.new_program : *a.versions.old_program;
    const Features& x =
        new_side ? a.versions.new_features[r->new_index] : a.versions.old_features[r->old_index];
    std::string from = a.name_of(*r);
    for (const std::string& to :
         callees_of(p, new_side ? *a.new_function(*r) : *a.old_function(*r), x))
      if (!added.count({from, to})) link(from, to, "same");
  }
  return {{"nodes", nodes}, {"links", links}, {"limited", nodes.size() >= kMostNodes}};
}

}  // namespace

std::string to_html(const Analysis& a) {
  Json j{{"old", a.versions.old_program->image().path()},
         {"new", a.versions.new_program->image().path()},
         {"counts",
          {{"identical", a.counts.identical},
           {"changed", a.counts.changed},
           {"added", a.counts.added},
           {"removed", a.counts.removed},
           {"moved", a.counts.moved}}},
         {"functions", rows(a)},
         {"graph", graph(a)}};
  std::string data = j.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = 0; (at = data.find("</", at)) != std::string::npos; at += 3)
    data.replace(at, 2, "<\\/");  // never ends the script
  std::string page = kHtmlHead;
  page += "<script>";
  page.append(mx_d3_begin, mx_d3_end);
  page += "</script><script>const data=" + data + ";</script>";
  return page + kHtmlBody;
}

}  // namespace mx::analyzer
