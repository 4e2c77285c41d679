// Longest common subsequence of two key sequences, by unique anchors first, exact where that is
// affordable.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

namespace mx::analyzer {

using Alignment =
    std::vector<std::pair<uint32_t, uint32_t>>;  // (old position, new position), both rising

Alignment align(const std::vector<uint64_t>& old_keys, const std::vector<uint64_t>& new_keys);

}  // namespace mx::analyzer
