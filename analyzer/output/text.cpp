#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "analyzer/output/output.h"
#include "analyzer/output/side_by_side.h"

namespace mx::analyzer {
namespace {

struct Colours {
  const char *red, *green, *yellow, *bold, *off;
};
Colours colours(bool on) {
  if (!on) return {"", "", "", "", ""};
  return {"\033[31m", "\033[32m", "\033[33m", "\033[1m", "\033[0m"};
}

std::string hex(uint64_t x) {
  char text[24];
  std::snprintf(text, sizeof text, "%llx", static_cast<unsigned long long>(x));
  return text;
}

uint32_t size_of_change(const FunctionResult& r) {
  return r.steps_old + r.steps_new - 2 * std::min({r.steps_common, r.steps_old, r.steps_new});
}

// Cuts or fills to `width` characters, UTF-8 aware enough for names.
std::string fit(std::string text, size_t width) {
  if (text.size() > width) return text.substr(0, width - 1) + ">";
  text.resize(width, ' ');
  return text;
}

std::string change_line(const Analysis& a, const FunctionResult& r, const Colours& c) {
  const char* colour = r.status == FunctionStatus::added     ? c.green
                       : r.status == FunctionStatus::removed ? c.red
                                                             : c.yellow;
  std::string line =
      std::string("  ") + colour + fit(to_string(r.status), 9) + c.off + " " + a.name_of(r);
  const Function *o = a.old_function(r), *n = a.new_function(r);
  if (r.status == FunctionStatus::moved) line += " (was " + o->name + ")";
  if (r.status == FunctionStatus::changed) {
    line += "  " + std::to_string(r.steps_old) + " -> " + std::to_string(r.steps_new) +
            " instructions, " + std::to_string(r.steps_common) + " in common, " +
            std::to_string(r.call_sites.size()) + " of " + std::to_string(r.old_sites) + "/" +
            std::to_string(r.new_sites) + " calls paired";
    if (r.by != MatchedBy::name)
      line += std::string(" (found by ") + to_string(r.by) + ", " +
              std::to_string(static_cast<int>(r.confidence * 100)) + " %)";
  } else {
    line += "  " + std::to_string((n ? n : o)->size) + " bytes";
  }
  line += "\n";
  if (r.status == FunctionStatus::changed) {
    bool both = r.old_to_new.possible == r.new_to_old.possible &&
                r.old_to_new.reasons == r.new_to_old.reasons;
    auto verdict = [&](const char* direction, const Verdict& v) {
      line += std::string("            ") + direction + " transplantable: " + to_string(v.possible);
      if (!v.reasons.empty())
        line += " (" + v.reasons[0] +
                (v.reasons.size() > 1 ? "; and " + std::to_string(v.reasons.size() - 1) + " more"
                                      : "") +
                ")";
      line += "\n";
    };
    verdict(both ? "old<->new" : "old->new", r.old_to_new);
    if (!both) verdict("new->old", r.new_to_old);
  }
  return line;
}

std::string program_line(const char* word, const Program& p) {
  std::string id = p.image().build_id_hex();
  return std::string(word) + p.image().path() +
         (id.empty() ? "" : "  build-id " + id.substr(0, 16)) +
         (p.has_full_symbols() ? "  symbols"
          : p.has_symbols()    ? "  dynamic symbols only"
                               : "  stripped") +
         (p.debug_image() ? "  debug file " + p.debug_image()->path() : "") + "\n";
}

}  // namespace

std::vector<const FunctionResult*> differences(const Analysis& a) {
  std::vector<const FunctionResult*> out;
  for (const FunctionResult& r : a.functions) {
    const Function* f = a.old_function(r) ? a.old_function(r) : a.new_function(r);
    if (r.status != FunctionStatus::identical && f->kind != FunctionKind::cold) out.push_back(&r);
  }
  std::stable_sort(out.begin(), out.end(), [](const FunctionResult* x, const FunctionResult* y) {
    return size_of_change(*x) > size_of_change(*y);
  });
  return out;
}

std::string to_text(const Analysis& a, const TextStyle& style) {
  Colours c = colours(style.colour);
  const Counts& n = a.counts;
  std::string out = program_line("old  ", *a.versions.old_program) +
                    program_line("new  ", *a.versions.new_program);
  out += std::string("\n") + c.bold + "functions" + c.off + "  " + std::to_string(n.identical) +
         " identical, " + c.yellow + std::to_string(n.changed) + " changed" + c.off + ", " +
         c.green + std::to_string(n.added) + " added" + c.off + ", " + c.red +
         std::to_string(n.removed) + " removed" + c.off + ", " + std::to_string(n.moved) +
         " moved\n";
  auto list = differences(a);
  for (size_t k = 0; k < list.size() && k < style.most; ++k) out += change_line(a, *list[k], c);
  if (list.size() > style.most)
    out += "  … and " + std::to_string(list.size() - style.most) + " more (see --format json)\n";
  std::string data;
  size_t shown = 0;
  for (const DataResult& d : a.data) {
    if (d.status == DataStatus::same) continue;
    if (++shown > style.most) continue;
    data += std::string("  ") + fit(to_string(d.status), 9) + " " + d.name + "  " + d.section;
    if (d.old_size != d.new_size)
      data += "  " + std::to_string(d.old_size) + " -> " + std::to_string(d.new_size) + " bytes";
    data += "\n";
  }
  if (shown > style.most) data += "  … and " + std::to_string(shown - style.most) + " more\n";
  if (!data.empty()) out += std::string("\n") + c.bold + "data" + c.off + "\n" + data;
  if (!a.types.empty()) out += std::string("\n") + c.bold + "types" + c.off + "\n";
  for (const TypeChange& t : a.types) out += "  " + t.name + ": " + t.what + "\n";
  for (const FunctionResult& r : a.imports)
    if (r.status == FunctionStatus::added || r.status == FunctionStatus::removed)
      out += std::string("  import ") + to_string(r.status) + ": " + a.name_of(r) + "\n";
  char time[64];
  std::snprintf(time, sizeof time, "\n%.2f s\n", a.seconds);
  return out + time;
}

Result<std::string> function_to_text(const Analysis& a, const std::string& name,
                                     const TextStyle& style) {
  Colours c = colours(style.colour);
  std::string out;
  for (const FunctionResult& r : a.functions) {
    const Function *o = a.old_function(r), *n = a.new_function(r);
    if (!(o && o->name == name) && !(n && n->name == name)) continue;
    out += change_line(a, r, c);
    size_t half = static_cast<size_t>(std::max(40, (style.width - 3) / 2));
    for (const CodeLine& l : side_by_side(a, r)) {
      std::string left = l.old_text.empty() ? "" : hex(l.old_address) + "  " + l.old_text;
      std::string right = l.new_text.empty() ? "" : hex(l.new_address) + "  " + l.new_text;
      const char* mark = l.kind == CodeLine::same      ? " | "
                         : l.kind == CodeLine::removed ? " - "
                                                       : " + ";
      const char* colour = l.kind == CodeLine::same      ? ""
                           : l.kind == CodeLine::removed ? c.red
                                                         : c.green;
      out += colour + fit(left, half) + mark + (right.size() > half ? fit(right, half) : right) +
             (*colour ? c.off : "") + "\n";
    }
  }
  if (out.empty()) return Error{"no function `" + name + "` in either version"};
  return out;
}

}  // namespace mx::analyzer
