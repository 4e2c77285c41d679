#include "analyzer/match/similarity.h"

#include <algorithm>
#include <map>
#include <unordered_map>

namespace mx::analyzer {
namespace {

double weight_of(const Step& s) { return s.has_content ? 3.0 : 1.0; }

std::vector<std::pair<uint64_t, double>> sorted_keys(const Features& f) {
  std::vector<std::pair<uint64_t, double>> keys;
  keys.reserve(f.steps.size());
  for (const Step& s : f.steps) keys.emplace_back(s.key, weight_of(s));
  std::sort(keys.begin(), keys.end());
  return keys;
}

double overlap(const std::vector<std::pair<uint64_t, double>>& a,
               const std::vector<std::pair<uint64_t, double>>& b) {
  double common = 0, total = 0;
  size_t i = 0, j = 0;
  while (i < a.size() || j < b.size()) {
    if (j == b.size() || (i < a.size() && a[i].first < b[j].first))
      total += a[i++].second;
    else if (i == a.size() || b[j].first < a[i].first)
      total += b[j++].second;
    else {
      common += a[i].second;
      total += a[i].second;
      ++i, ++j;
    }
  }
  return total > 0 ? common / total : 0;
}

}  // namespace

double similarity(const Features& a, const Features& b) {
  if (a.shape == b.shape) return 1;
  size_t big = std::max(a.steps.size(), b.steps.size()),
         small = std::min(a.steps.size(), b.steps.size());
  if (small * 8 < big) return 0;
  return overlap(sorted_keys(a), sorted_keys(b));
}

Alignment align_steps(const Features& a, const Features& b) {
  std::vector<uint64_t> x, y;
  x.reserve(a.steps.size());
  y.reserve(b.steps.size());
  for (const Step& s : a.steps) x.push_back(s.key);
  for (const Step& s : b.steps) y.push_back(s.key);
  return align(x, y);
}

std::vector<Likeness> best_order(const Versions& v, uint32_t o0, uint32_t o1, uint32_t n0,
                                 uint32_t n1, double least) {
  size_t n = o1 - o0, m = n1 - n0, width = m + 1;
  std::vector<std::vector<std::pair<uint64_t, double>>> olds, news;
  for (uint32_t o = o0; o < o1; ++o) olds.push_back(sorted_keys(v.old_features[o]));
  for (uint32_t k = n0; k < n1; ++k) news.push_back(sorted_keys(v.new_features[k]));
  const auto &of = v.old_program->functions(), &nf = v.new_program->functions();
  std::vector<float> alike(n * m, 0), best((n + 1) * width, 0);
  for (size_t i = 0; i < n; ++i)
    for (size_t j = 0; j < m; ++j) {
      if (of[o0 + i].kind != nf[n0 + j].kind) continue;
      size_t x = olds[i].size(), y = news[j].size();
      if (std::min(x, y) * 8 < std::max(x, y)) continue;
      bool same = v.old_features[o0 + i].shape == v.new_features[n0 + j].shape;
      double s = same ? 1 : overlap(olds[i], news[j]);
      if (s >= least) alike[i * m + j] = static_cast<float>(s);
    }
  for (size_t i = n; i-- > 0;)
    for (size_t j = m; j-- > 0;) {
      float skip = std::max(best[(i + 1) * width + j], best[i * width + j + 1]);
      float s = alike[i * m + j];
      best[i * width + j] = s > 0 ? std::max(skip, best[(i + 1) * width + j + 1] + s) : skip;
    }
  std::vector<Likeness> out;
  for (size_t i = 0, j = 0; i < n && j < m;) {
    float s = alike[i * m + j], here = best[i * width + j];
    if (s > 0 && here == best[(i + 1) * width + j + 1] + s) {
      out.emplace_back(o0 + i, n0 + j, s);
      ++i, ++j;
    } else if (here == best[(i + 1) * width + j]) {
      ++i;
    } else {
      ++j;
    }
  }
  return out;
}

std::vector<Likeness> most_similar(const Versions& v, const std::vector<uint32_t>& olds,
                                   const std::vector<uint32_t>& news) {
  constexpr size_t kCommon = 24;  // a step in more functions than this says nothing
  std::unordered_map<uint64_t, std::vector<uint32_t>> where;
  for (uint32_t n : news) {
    uint64_t last = 0;
    for (const auto& [key, weight] : sorted_keys(v.new_features[n])) {
      if (key == last) continue;
      last = key;
      auto& list = where[key];
      if (list.size() <= kCommon) list.push_back(n);
    }
  }
  std::vector<Likeness> out;
  for (uint32_t o : olds) {
    std::map<uint32_t, uint32_t> hits;
    uint64_t last = 0;
    for (const auto& [key, weight] : sorted_keys(v.old_features[o])) {
      if (key == last) continue;
      last = key;
      auto it = where.find(key);
      if (it != where.end() && it->second.size() <= kCommon)
        for (uint32_t n : it->second) ++hits[n];
    }
    for (auto [n, count] : hits)
      if (count >= 2 || v.old_features[o].steps.size() < 12)
        out.emplace_back(o, n, similarity(v.old_features[o], v.new_features[n]));
  }
  std::sort(out.begin(), out.end(), [](const Likeness& a, const Likeness& b) {
    if (std::get<2>(a) != std::get<2>(b)) return std::get<2>(a) > std::get<2>(b);
    return a < b;
  });
  return out;
}

}  // namespace mx::analyzer
