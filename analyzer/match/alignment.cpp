#include "analyzer/match/alignment.h"

#include <algorithm>
#include <unordered_map>

namespace mx::analyzer {
namespace {

constexpr uint64_t kMostCells = 4'000'000;  // of the exact table; larger parts are split by anchors

class Aligner {
 public:
  Aligner(const std::vector<uint64_t>& a, const std::vector<uint64_t>& b) : a_(a), b_(b) {}

  Alignment run() {
    split(0, a_.size(), 0, b_.size(), 0);
    return std::move(out_);
  }

 private:
  void split(size_t a0, size_t a1, size_t b0, size_t b1, int depth);
  Alignment anchors(size_t a0, size_t a1, size_t b0, size_t b1) const;
  void exact(size_t a0, size_t a1, size_t b0, size_t b1);
  void add(size_t i, size_t j) {
    out_.emplace_back(static_cast<uint32_t>(i), static_cast<uint32_t>(j));
  }

  const std::vector<uint64_t>&a_, &b_;
  Alignment out_;
};

void Aligner::split(size_t a0, size_t a1, size_t b0, size_t b1, int depth) {
  while (a0 < a1 && b0 < b1 && a_[a0] == b_[b0]) add(a0++, b0++);
  size_t tail = 0;
  while (a0 + tail < a1 && b0 + tail < b1 && a_[a1 - 1 - tail] == b_[b1 - 1 - tail]) ++tail;
  a1 -= tail;
  b1 -= tail;
  if (a0 < a1 && b0 < b1) {
    Alignment fixed = depth < 40 ? anchors(a0, a1, b0, b1) : Alignment();
    if (uint64_t{a1 - a0} * (b1 - b0) <= kMostCells) {
      exact(a0, a1, b0, b1);
    } else if (!fixed.empty()) {
      size_t i = a0, j = b0;
      for (auto [fi, fj] : fixed) {
        split(i, fi, j, fj, depth + 1);
        add(fi, fj);
        i = fi + 1;
        j = fj + 1;
      }
      split(i, a1, j, b1, depth + 1);
    }
  }
  for (size_t k = 0; k < tail; ++k) add(a1 + k, b1 + k);
}

// Keys that occur once on each side, in the longest rising order.
Alignment Aligner::anchors(size_t a0, size_t a1, size_t b0, size_t b1) const {
  if (uint64_t{a1 - a0} * (b1 - b0) <= kMostCells) return {};
  struct Seen {
    uint32_t in_a = 0, in_b = 0, at_b = 0;
  };
  std::unordered_map<uint64_t, Seen> seen;
  for (size_t i = a0; i < a1; ++i) ++seen[a_[i]].in_a;
  for (size_t j = b0; j < b1; ++j) {
    auto it = seen.find(b_[j]);
    if (it != seen.end()) ++it->second.in_b, it->second.at_b = static_cast<uint32_t>(j);
  }
  Alignment all;
  std::vector<size_t> tops, before;
  for (size_t i = a0; i < a1; ++i) {
    const Seen& s = seen[a_[i]];
    if (s.in_a != 1 || s.in_b != 1) continue;
    auto pos = std::lower_bound(tops.begin(), tops.end(), s.at_b,
                                [&](size_t t, uint32_t j) { return all[t].second < j; });
    before.push_back(pos == tops.begin() ? SIZE_MAX : *std::prev(pos));
    size_t at = all.size();
    all.emplace_back(static_cast<uint32_t>(i), s.at_b);
    if (pos == tops.end())
      tops.push_back(at);
    else
      *pos = at;
  }
  Alignment chain;
  for (size_t at = tops.empty() ? SIZE_MAX : tops.back(); at != SIZE_MAX; at = before[at])
    chain.push_back(all[at]);
  std::reverse(chain.begin(), chain.end());
  return chain;
}

void Aligner::exact(size_t a0, size_t a1, size_t b0, size_t b1) {
  size_t n = a1 - a0, m = b1 - b0, width = m + 1;
  std::vector<uint32_t> best((n + 1) * width, 0);
  for (size_t i = n; i-- > 0;)
    for (size_t j = m; j-- > 0;)
      best[i * width + j] = a_[a0 + i] == b_[b0 + j]
                                ? best[(i + 1) * width + j + 1] + 1
                                : std::max(best[(i + 1) * width + j], best[i * width + j + 1]);
  for (size_t i = 0, j = 0; i < n && j < m;) {
    if (a_[a0 + i] == b_[b0 + j])
      add(a0 + i++, b0 + j++);
    else if (best[(i + 1) * width + j] >= best[i * width + j + 1])
      ++i;
    else
      ++j;
  }
}

}  // namespace

Alignment align(const std::vector<uint64_t>& old_keys, const std::vector<uint64_t>& new_keys) {
  return Aligner(old_keys, new_keys).run();
}

}  // namespace mx::analyzer
