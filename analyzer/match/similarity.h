// How alike two functions are, and the best pairs among many.
#pragma once

#include <tuple>
#include <vector>

#include "analyzer/match/alignment.h"
#include "analyzer/match/correspondence.h"

namespace mx::analyzer {

// Share of common steps, 0 to 1. Steps that refer to strings, constants or imports weigh more.
double similarity(const Features& a, const Features& b);

// Pairs of positions in the two step lists that say the same.
Alignment align_steps(const Features& a, const Features& b);

using Likeness = std::tuple<uint32_t, uint32_t, double>;  // old function, new function, similarity

// The order-keeping pairing of two short ranges of functions with the highest total similarity,
// each at least `least`.
std::vector<Likeness> best_order(const Versions& v, uint32_t old_first, uint32_t old_end,
                                 uint32_t new_first, uint32_t new_end, double least);

// The most alike pairs among two sets, best first. Compares only functions that share a rare step.
std::vector<Likeness> most_similar(const Versions& v, const std::vector<uint32_t>& olds,
                                   const std::vector<uint32_t>& news);

}  // namespace mx::analyzer
