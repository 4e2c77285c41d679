// Functions as Go's line table knows them: the runtime needs it, so stripped Go programs have it
// too.
#pragma once
#include <cstdint>
#include <vector>

#include "elf_image.h"

namespace mx::sites {

/// The begin of each function in the section .gopclntab, ascending, with the end of the last one at
/// the back: function i is [result[i], result[i+1]). Empty if there is no table, or one written by
/// a Go older than 1.18.
std::vector<uint64_t> read_go_functions(const ElfImage& image);

}  // namespace mx::sites
