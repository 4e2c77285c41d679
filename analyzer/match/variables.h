// Uses DWARF of both versions to look into the frames of the functions that changed.
#pragma once

#include "analyzer/analysis.h"

namespace mx::analyzer {

// Judges how the frames at the call sites of changed functions become those of the other version,
// and notes parameter lists that differ. Without DWARF in both versions it changes nothing: frames
// are compared by their layout alone.
void compare_variables(Analysis& a);

}  // namespace mx::analyzer
