// Judges one pair of functions.
#pragma once

#include "analyzer/analysis.h"

namespace mx::analyzer {

// Equal after taking addresses out: same steps, same meaning of every reference, same branches.
bool same_code(const Versions& v, const Correspondence& c, uint32_t old_function,
               uint32_t new_function);

// Fills call_sites and the counts of calls. `identical`: the functions have the same steps.
void match_call_sites(const Versions& v, const Correspondence& c, FunctionResult& r,
                      bool identical);

// Position of each instruction among the steps (padding takes the position of what follows).
std::vector<uint32_t> step_positions(const Function& f, const Features& features);

}  // namespace mx::analyzer
