// What a file says about itself, before any parser believes it.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "analyzer/base/result.h"

namespace mx::analyzer {

enum class FileUse : uint8_t {
  program,     // an executable or shared object, whole
  debug_file,  // a separate one: its headers may speak of bytes that only the program has
};

// One sentence about what is wrong with the file: not ELF, another architecture, truncated, headers
// that lie (tables, segments or sections outside the file, segments that overlap).
Status check_header(const std::string& path, std::span<const uint8_t> file, FileUse use);

}  // namespace mx::analyzer
