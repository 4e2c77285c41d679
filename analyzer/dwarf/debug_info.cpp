#include "analyzer/dwarf/debug_info.h"

#include <algorithm>
#include <map>

#include "analyzer/base/archive.h"
#include "analyzer/base/child.h"
#include "analyzer/dwarf/dwarf_reader.h"

namespace mx::analyzer {

template <class A>
void fields(A& a, TypeMember& m) {
  a& m.name& m.type& m.offset;
}
template <class A>
void fields(A& a, TypeInfo& t) {
  a& t.name& t.size& t.members;
}
template <class A>
void fields(A& a, FunctionInfo& f) {
  a& f.name& f.file& f.low& f.high& f.line& f.types;
}
template <class A>
void fields(A& a, LineRow& r) {
  a& r.address& r.file& r.line;
}
template <class A>
void fields(A& a, DebugInfo& d) {
  a& d.types& d.functions& d.files& d.lines;
}

Result<std::shared_ptr<const DebugInfo>> read_debug_info(const Image& image) {
  const std::string& path = image.path();
  if (!image.section(".debug_info")) return std::shared_ptr<const DebugInfo>();
  auto bytes = run_in_child(path + " (DWARF)", ChildLimits{}, [&] {
    DebugInfo info = read_with_libdw(path);
    ArchiveWriter out;
    out& info;
    return out.bytes();
  });
  if (!bytes) return bytes.error();
  auto info = std::make_shared<DebugInfo>();
  ArchiveReader in(bytes.value());
  in&* info;
  if (in.failed()) return Error{path + " (DWARF): the parser's result is damaged"};
  for (FunctionInfo& f : info->functions)
    std::erase_if(f.types, [&](uint32_t t) { return t >= info->types.size(); });
  return std::shared_ptr<const DebugInfo>(std::move(info));
}

const FunctionInfo* DebugInfo::function_at(uint64_t address) const {
  auto it = std::upper_bound(functions.begin(), functions.end(), address,
                             [](uint64_t a, const FunctionInfo& f) { return a < f.low; });
  if (it == functions.begin()) return nullptr;
  --it;
  return address < it->high ? &*it : nullptr;
}

std::string DebugInfo::line_of(uint64_t address) const {
  auto it = std::upper_bound(lines.begin(), lines.end(), address,
                             [](uint64_t a, const LineRow& r) { return a < r.address; });
  if (it == lines.begin()) return {};
  --it;
  if (it->line == 0 || it->file >= files.size()) return {};
  return files[it->file] + ":" + std::to_string(it->line);
}

namespace {

// One phrase on how two layouts differ; empty when they do not.
std::string layout_difference(const TypeInfo& a, const TypeInfo& b) {
  std::vector<std::string> parts;
  if (a.size != b.size)
    parts.push_back((a.size < b.size ? "grew from " : "shrank from ") + std::to_string(a.size) +
                    " to " + std::to_string(b.size) + " bytes");
  // Names may occur more than once (padding fields called `_`): the first with the first, and so
  // on.
  std::map<std::pair<std::string, size_t>, const TypeMember*> before;
  std::map<std::string, size_t> seen_before, seen_after;
  for (const TypeMember& m : a.members) before[{m.name, seen_before[m.name]++}] = &m;
  bool enumeration = a.name.compare(0, 5, "enum ") == 0;
  const char* word = enumeration ? "enumerator `" : "field `";
  for (const TypeMember& m : b.members) {
    auto it = before.find({m.name, seen_after[m.name]++});
    if (it == before.end()) {
      parts.push_back(word + m.name + "` is new");
      continue;
    }
    if (it->second->offset != m.offset)
      parts.push_back(word + m.name + (enumeration ? "` changed from " : "` moved from ") +
                      std::to_string(it->second->offset) + " to " + std::to_string(m.offset));
    else if (it->second->type != m.type)
      parts.push_back(word + m.name + "` was " + it->second->type + " and is " + m.type);
    before.erase(it);
  }
  for (const auto& [name, m] : before) parts.push_back(word + name.first + "` is gone");
  std::string text;
  for (size_t k = 0; k < parts.size() && k < 4; ++k) text += (k ? "; " : "") + parts[k];
  return parts.size() > 4 ? text + "; …" : text;
}

}  // namespace

std::vector<TypeChange> compare_types(const DebugInfo& old_info, const DebugInfo& new_info) {
  std::map<std::string, std::vector<const TypeInfo*>> olds, news;
  for (const TypeInfo& t : old_info.types) olds[t.name].push_back(&t);
  for (const TypeInfo& t : new_info.types) news[t.name].push_back(&t);
  std::vector<TypeChange> out;
  for (const auto& [name, before] : olds) {
    auto it = news.find(name);
    if (it == news.end()) continue;
    const auto& after = it->second;
    // Different units may define different types of one name: changed when none of the old layouts
    // lives on.
    std::string what;
    bool lives = std::any_of(before.begin(), before.end(), [&](const TypeInfo* a) {
      return std::any_of(after.begin(), after.end(),
                         [&](const TypeInfo* b) { return layout_difference(*a, *b).empty(); });
    });
    if (!lives) out.push_back({name, layout_difference(*before[0], *after[0])});
  }
  return out;
}

}  // namespace mx::analyzer
