#include "analyzer/explain/explain.h"

#include <cstdio>

#include "analyzer/elf/debug_file.h"
#include "analyzer/explain/source_lines.h"

namespace mx::analyzer {
namespace {

// Reads the line table of the module or its debug file.
std::string source_line(const std::string& module, uint64_t address) {
  auto image = Image::load(module);
  if (!image) return {};
  auto debug = load_debug_file(*image.value(), "");
  return SourceLines(image.value(), debug ? debug.value() : nullptr).of(address);
}

}  // namespace

std::string what_happened_to(const mapping::Function& f) {
  switch (f.status) {
    case mapping::FunctionStatus::identical:
      return "which this update did not change";
    case mapping::FunctionStatus::moved:
      return "which this update only renamed";
    case mapping::FunctionStatus::changed:
      return "which this update changed";
    case mapping::FunctionStatus::added:
      return "which this update added";
    case mapping::FunctionStatus::removed:
      return "which this update removed";
  }
  return "of which the mapping says nothing";
}

Explanation explain(const mapping::MappingFile& mapping, Version version, const std::string& module,
                    uint64_t address) {
  Explanation e;
  e.version = version;
  e.module = module;
  bool old_side = version == Version::old_version;
  const char* word = old_side ? "old" : "new";
  char text[32];
  std::snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(address));
  const mapping::Function* f =
      old_side ? mapping.function_at_old(address) : mapping.function_at_new(address);
  e.source_line = source_line(module, address);
  if (!f) {
    e.sentence = std::string("The ") + word + " version was at " + text + " in " + module +
                 ", which is in no known function.";
    return e;
  }
  e.known = true;
  e.function = mapping.text(f->name);
  e.offset = address - (old_side ? f->old_address : f->new_address);
  e.changed = f->status != mapping::FunctionStatus::identical &&
              f->status != mapping::FunctionStatus::moved;
  bool blocked = (old_side ? f->old_to_new : f->new_to_old) != mapping::Possible::yes;
  if (blocked)
    e.transplant = mapping.text(old_side ? f->why_not_old_to_new : f->why_not_new_to_old);
  e.sentence = std::string("The ") + word + " version was in `" + e.function + "`" +
               (e.source_line.empty() ? "" : " (" + e.source_line + ")") + ", " +
               what_happened_to(*f) + ".";
  return e;
}

}  // namespace mx::analyzer
