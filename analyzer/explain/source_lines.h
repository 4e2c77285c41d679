// Addresses of one module to source lines, read once.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "analyzer/dwarf/debug_info.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

class SourceLines {
 public:
  // Takes the line table of the module, or of its debug file (may be null). Damaged or missing: no
  // line is known.
  SourceLines(std::shared_ptr<const Image> module, std::shared_ptr<const Image> debug) {
    const Image& source = module->section(".debug_info") || !debug ? *module : *debug;
    if (auto info = read_debug_info(source)) info_ = info.value();
  }
  // "file.c:12", or empty.
  std::string of(uint64_t address) const { return info_ ? info_->line_of(address) : std::string(); }

 private:
  std::shared_ptr<const DebugInfo> info_;
};

}  // namespace mx::analyzer
