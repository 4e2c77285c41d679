// Pairs variables.
#pragma once

#include "analyzer/analysis.h"

namespace mx::analyzer {

// By name (and source file for local ones), then what code refers to at the same place. Sorted by
// old address, then added ones.
std::vector<DataResult> match_data(const Versions& v, const Correspondence& c);

}  // namespace mx::analyzer
