// Can a function of one version go on with the code of the other?
#pragma once

#include "analyzer/analysis.h"

namespace mx::analyzer {

// Fills old_to_new and new_to_old of every changed function. REQUIRES: functions, data and types
// are filled.
void judge(Analysis& analysis);

}  // namespace mx::analyzer
