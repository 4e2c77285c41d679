#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "analyzer/output/names.h"
#include "analyzer/output/output.h"
#include "analyzer/output/side_by_side.h"
#include "analyzer/output/small_change.h"

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

std::string trimmed(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text;
}

uint32_t size_of_change(const FunctionResult& r) {
  return r.steps_old + r.steps_new - 2 * std::min({r.steps_common, r.steps_old, r.steps_new});
}

bool continues(char byte) { return (byte & 0xc0) == 0x80; }  // of a character in UTF-8

// Cuts or fills to `width` characters.
std::string fit(std::string text, size_t width) {
  size_t characters = 0, at = 0;
  for (; at < text.size(); ++at) {
    if (continues(text[at])) continue;
    if (++characters == width) break;
  }
  if (characters < width) return text + std::string(width - characters, ' ');
  size_t last = at++;
  while (at < text.size() && continues(text[at])) ++at;
  return at == text.size() ? text : text.substr(0, last) + ">";
}

// Of the two directions the worse one.
Possible worse(const FunctionResult& r) {
  return std::max(r.old_to_new.possible, r.new_to_old.possible);
}

std::string verdict_line(const char* direction, const Verdict& v) {
  if (v.possible == Possible::yes) return "";
  std::string line =
      std::string("            ") + direction + " transplantable: " + to_string(v.possible);
  if (!v.reasons.empty()) {
    line += " (" + with_short_names(v.reasons[0]);
    if (v.reasons.size() > 1) line += "; and " + std::to_string(v.reasons.size() - 1) + " more";
    line += ")";
  }
  return line + "\n";
}

std::string verdict_lines(const FunctionResult& r) {
  bool both = r.old_to_new.possible == r.new_to_old.possible &&
              r.old_to_new.reasons == r.new_to_old.reasons;
  if (both) return verdict_line("old<->new", r.old_to_new);
  return verdict_line("old->new", r.old_to_new) + verdict_line("new->old", r.new_to_old);
}

// How many of the paired calls a waiting frame can change over at, and how.
std::string frames_line(const FunctionResult& r) {
  size_t rebuilt = 0, refused = 0;
  for (const CallSite& s : r.call_sites) {
    FrameChange worst = std::min(s.old_to_new->change, s.new_to_old->change);
    bool rebuilds = s.old_to_new->change == FrameChange::rebuild ||
                    s.new_to_old->change == FrameChange::rebuild;
    if (worst == FrameChange::no)
      ++refused;
    else if (rebuilds)
      ++rebuilt;
  }
  if (!rebuilt) return "";
  return "            waiting frames: " + std::to_string(r.call_sites.size() - rebuilt - refused) +
         " the same, " + std::to_string(rebuilt) + " rebuilt, " + std::to_string(refused) +
         " not\n";
}

std::string change_line(const Analysis& a, const FunctionResult& r, const Colours& c) {
  const char* colour = r.status == FunctionStatus::added     ? c.green
                       : r.status == FunctionStatus::removed ? c.red
                                                             : c.yellow;
  std::string line = std::string("  ") + colour + fit(to_string(r.status), 9) + c.off + " " +
                     short_name(a.name_of(r)) + "  ";
  const Function *o = a.old_function(r), *n = a.new_function(r);
  if (r.status == FunctionStatus::moved) line += "(was " + short_name(o->name) + ")  ";
  if (r.status != FunctionStatus::changed)
    return line + std::to_string((n ? n : o)->size) + " bytes\n";
  if (auto small = numbers_only(a, r)) {
    line += std::to_string(small->instructions) + " of " + std::to_string(r.steps_old) +
            " instructions: " + small->shown + (small->instructions > 1 ? ", …" : "");
  } else {
    line += std::to_string(r.steps_old) + " -> " + std::to_string(r.steps_new) + " instructions, " +
            std::to_string(r.steps_common) + " in common";
    if (r.old_sites || r.new_sites)
      line += "; calls " + std::to_string(r.old_sites) + " -> " + std::to_string(r.new_sites) +
              ", paired " + std::to_string(r.call_sites.size());
  }
  if (r.by != MatchedBy::name)
    line += std::string(" (found by ") + to_string(r.by) + ", " +
            std::to_string(static_cast<int>(r.confidence * 100)) + " %)";
  return line + "\n" + verdict_lines(r) + frames_line(r);
}

// What the changed functions have in common: how many only differ in numbers, how many can be
// carried over.
std::string summary_of_changes(const Analysis& a) {
  size_t small = 0, by_verdict[3] = {};
  for (const FunctionResult& r : a.functions) {
    const Function* f = a.old_function(r);
    if (r.status != FunctionStatus::changed || !f || f->kind == FunctionKind::cold) continue;
    small += numbers_only(a, r).has_value();
    ++by_verdict[static_cast<int>(worse(r))];
  }
  if (!a.counts.changed) return "";
  return "  of the changed ones " + std::to_string(small) +
         " differ in numbers or strings only; transplantable both ways: " +
         std::to_string(by_verdict[0]) + " at any time, " + std::to_string(by_verdict[1]) +
         " while they do not run, " + std::to_string(by_verdict[2]) + " not\n";
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
  out += summary_of_changes(a);
  auto list = differences(a);
  for (size_t k = 0; k < list.size() && k < style.most; ++k) out += change_line(a, *list[k], c);
  if (list.size() > style.most)
    out += "  … and " + std::to_string(list.size() - style.most) + " more (see --format json)\n";
  std::string data;
  size_t shown = 0;
  for (const DataResult& d : a.data) {
    if (d.status == DataStatus::same) continue;
    if (++shown > style.most) continue;
    data += std::string("  ") + fit(to_string(d.status), 9) + " " + short_name(d.name) + "  " +
            d.section;
    if (d.old_size != d.new_size)
      data += "  " + std::to_string(d.old_size) + " -> " + std::to_string(d.new_size) + " bytes";
    data += "\n";
  }
  if (shown > style.most) data += "  … and " + std::to_string(shown - style.most) + " more\n";
  if (!data.empty()) out += std::string("\n") + c.bold + "data" + c.off + "\n" + data;
  if (!a.types.empty()) out += std::string("\n") + c.bold + "types" + c.off + "\n";
  for (const TypeChange& t : a.types) out += "  " + t.name + ": " + t.what + "\n";
  bool imports = false;
  for (const FunctionResult& r : a.imports)
    if (r.status == FunctionStatus::added || r.status == FunctionStatus::removed) {
      if (!imports) out += std::string("\n") + c.bold + "imports" + c.off + "\n";
      imports = true;
      out +=
          std::string("  ") + fit(to_string(r.status), 9) + " " + short_name(a.name_of(r)) + "\n";
    }
  char time[64];
  std::snprintf(time, sizeof time, "\n%.2f s\n", a.seconds);
  return out + time;
}

namespace {

// Lines that are equal in both versions, further than this from any that is not, are left out.
constexpr size_t kContext = 6;

std::vector<bool> near_a_change(const std::vector<CodeLine>& lines) {
  std::vector<bool> near(lines.size(), false);
  for (size_t k = 0; k < lines.size(); ++k) {
    if (lines[k].kind == CodeLine::same) continue;
    size_t end = std::min(lines.size(), k + kContext + 1);
    for (size_t m = k > kContext ? k - kContext : 0; m < end; ++m) near[m] = true;
  }
  return near;
}

std::string code_line(const CodeLine& l, size_t half, const Colours& c) {
  auto side = [](uint64_t address, const std::string& text) {
    return text.empty() ? "" : hex(address) + "  " + with_short_names(text);
  };
  std::string left = side(l.old_address, l.old_text), right = side(l.new_address, l.new_text);
  const char* mark = l.kind == CodeLine::same ? " | " : l.kind == CodeLine::removed ? " - " : " + ";
  const char* colour = l.kind == CodeLine::same      ? ""
                       : l.kind == CodeLine::removed ? c.red
                                                     : c.green;
  return colour + fit(left, half) + mark + trimmed(fit(right, half)) + (*colour ? c.off : "") +
         "\n";
}

std::string code_text(const std::vector<CodeLine>& lines, const TextStyle& style,
                      const Colours& c) {
  size_t half = static_cast<size_t>(std::max(40, (style.width - 3) / 2));
  std::vector<bool> near = near_a_change(lines);
  bool whole = style.whole_functions || std::find(near.begin(), near.end(), true) == near.end();
  std::string out;
  for (size_t k = 0; k < lines.size();) {
    size_t end = k;
    while (!whole && end < lines.size() && !near[end]) ++end;
    if (end - k > 1) {
      out += "  … " + std::to_string(end - k) + " equal instructions (--whole shows them)\n";
      k = end;
      continue;
    }
    out += code_line(lines[k++], half, c);
  }
  return out;
}

Error not_found(const Analysis& a, const std::string& name) {
  bool bare =
      !a.versions.old_program->has_full_symbols() || !a.versions.new_program->has_full_symbols();
  return Error{"no function `" + name + "` in either version" +
               (bare ? " (functions without a symbol are called sub_ADDRESS)" : "")};
}

}  // namespace

Result<std::string> function_to_text(const Analysis& a, const std::string& name,
                                     const TextStyle& style) {
  Colours c = colours(style.colour);
  std::string out;
  for (const FunctionResult& r : a.functions) {
    const Function *o = a.old_function(r), *n = a.new_function(r);
    if (!(o && is_meant(name, o->name)) && !(n && is_meant(name, n->name))) continue;
    out += change_line(a, r, c) + code_text(side_by_side(a, r), style, c);
  }
  if (out.empty()) return not_found(a, name);
  return out;
}

}  // namespace mx::analyzer
