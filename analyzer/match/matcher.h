// Pairs the functions of two versions.
#pragma once

#include "analyzer/match/correspondence.h"

namespace mx::analyzer {

// Order of evidence: names; equal content that occurs once; the call graph around pairs already
// found; the order in the file; similarity. Then lets the pairs vote on data addresses.
Correspondence match_functions(const Versions& versions);

}  // namespace mx::analyzer
