// Functions of programs made by the Go compiler: its runtime needs their names to print a stack, so
// they stay when a program is stripped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/elf/image.h"

namespace mx::analyzer {

struct GoFunction {
  uint64_t address = 0, size = 0;
  std::string name;
};

// What .gopclntab lists (Go 1.18 and later), sorted by address; empty for other programs and for
// tables that do not make sense.
std::vector<GoFunction> go_functions(const Image& image);

}  // namespace mx::analyzer
