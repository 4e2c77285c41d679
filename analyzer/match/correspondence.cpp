#include "analyzer/match/correspondence.h"

#include <algorithm>
#include <cctype>
#include <tuple>

namespace mx::analyzer {

bool Correspondence::pair(uint32_t o, uint32_t n, MatchedBy by, float confidence) {
  if (old_[o].other != kNone || new_[n].other != kNone) return false;
  old_[o] = {n, by, confidence};
  new_[n] = {o, by, confidence};
  return true;
}

void Correspondence::vote(uint64_t o, uint64_t n, uint32_t weight) { votes_[o][n] += weight; }

void Correspondence::count_votes() {
  std::vector<std::tuple<uint32_t, uint64_t, uint64_t>> all;  // weight, old, new
  for (const auto& [o, targets] : votes_)
    for (const auto& [n, weight] : targets) all.emplace_back(weight, o, n);
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    if (std::get<0>(a) != std::get<0>(b)) return std::get<0>(a) > std::get<0>(b);
    return std::tie(std::get<1>(a), std::get<2>(a)) < std::tie(std::get<1>(b), std::get<2>(b));
  });
  to_new_.clear();
  to_old_.clear();
  for (auto [weight, o, n] : all) {
    if (to_new_.count(o) || to_old_.count(n)) continue;
    to_new_[o] = n;
    to_old_[n] = o;
  }
}

uint64_t Correspondence::new_data(uint64_t address) const {
  auto it = to_new_.find(address);
  return it == to_new_.end() ? 0 : it->second;
}

uint64_t Correspondence::old_data(uint64_t address) const {
  auto it = to_old_.find(address);
  return it == to_old_.end() ? 0 : it->second;
}

namespace {

// Rust puts a hash of the build behind the names of functions: …17h0123456789abcdefE.
std::string_view without_rust_hash(std::string_view name) {
  constexpr size_t kHash = 20;
  if (name.size() < kHash || name.substr(0, 3) != "_ZN" || name.back() != 'E') return name;
  std::string_view hash = name.substr(name.size() - kHash);
  if (hash.substr(0, 3) != "17h") return name;
  bool digits = std::all_of(hash.begin() + 3, hash.end() - 1,
                            [](unsigned char c) { return std::isxdigit(c); });
  return digits ? name.substr(0, name.size() - kHash) : name;
}

}  // namespace

std::string_view base_name(std::string_view name) {
  name = without_rust_hash(name);
  for (;;) {
    size_t dot = name.rfind('.');
    if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) return name;
    if (!std::all_of(name.begin() + static_cast<long>(dot) + 1, name.end(),
                     [](unsigned char c) { return std::isdigit(c); }))
      return name;
    name = name.substr(0, dot);
  }
}

std::optional<bool> same_by_name(const Versions& v, uint64_t o, uint64_t n) {
  const DataObject* a = v.old_program->data_containing(o);
  const DataObject* b = v.new_program->data_containing(n);
  if (!a && !b) return {};
  if (!a || !b) {
    // One side has no name here: only meaningful when both versions carry the same kind of symbols.
    if (v.old_program->has_full_symbols() != v.new_program->has_full_symbols()) return {};
    return false;
  }
  if (o - a->address != n - b->address) return false;
  if (base_name(a->name) == base_name(b->name)) return true;
  auto named = [&](const DataObject& d, const std::string& name) {
    return std::find(d.aliases.begin(), d.aliases.end(), name) != d.aliases.end();
  };
  return named(*a, b->name) || named(*b, a->name);
}

namespace {

bool same_function(const Versions& v, const Correspondence& c, uint64_t o, uint64_t n) {
  uint32_t f = v.old_program->function_containing(o), g = v.new_program->function_containing(n);
  if (f == kNone || g == kNone) return f == g;
  if (c.of_old(f).other != g) return false;
  bool start = o == v.old_program->functions()[f].address;
  return start == (n == v.new_program->functions()[g].address);
}

// Constant bytes that nothing relocates and that read the same.
bool same_constant_content(const Versions& v, uint64_t o, uint64_t n) {
  const Image &a = v.old_program->image(), &b = v.new_program->image();
  if (!a.constant(o) || !b.constant(n)) return false;
  auto x = a.bytes_from(o), y = b.bytes_from(n);
  if (x.empty() || y.empty()) return false;
  if (x[0] == 0 && y[0] == 0) return true;  // the empty string, which the linker puts anywhere
  size_t size = std::min({x.size(), y.size(), size_t{64}});
  return std::equal(x.begin(), x.begin() + static_cast<long>(size), y.begin());
}

}  // namespace

bool same_meaning(const Versions& v, const Correspondence& c, const Meaning& a, const Meaning& b) {
  if (a.kind != b.kind) return false;
  switch (a.kind) {
    case MeaningKind::none:
      return true;
    case MeaningKind::inside:
      return true;  // places inside are compared by position
    case MeaningKind::table:
      return true;  // and tables by their targets
    case MeaningKind::function:
      return same_function(v, c, a.address, b.address);
    case MeaningKind::import:
    case MeaningKind::string:
    case MeaningKind::constant:
      return a.hash == b.hash;
    case MeaningKind::data:
      break;
  }
  if (auto named = same_by_name(v, a.address, b.address)) {
    if (*named) return true;
  } else if (c.new_data(a.address) == b.address) {
    return true;
  }
  return same_constant_content(v, a.address, b.address);
}

}  // namespace mx::analyzer
