// Who calls whom, by name, and what differs between two versions.
#pragma once

#include <set>

#include "analyzer/analysis.h"

namespace mx::analyzer {

// Names of what `f` calls, jumps to or takes the address of; imports end in "@plt". Indirect calls
// are "*".
std::set<std::string> callees_of(const Program& program, const Function& f,
                                 const Features& features);

// Fills added_edges and removed_edges. Functions that are one pair count under one name.
void compare_call_graphs(Analysis& analysis);

}  // namespace mx::analyzer
