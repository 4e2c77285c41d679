// Which function and which address of the old version is which of the new one.
#pragma once

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <vector>

#include "analyzer/match/meaning.h"

namespace mx::analyzer {

// How a pair of functions was found, best evidence first.
enum class MatchedBy : uint8_t { name, content, call_graph, order, similarity };

struct Match {
  uint32_t other = kNone;
  MatchedBy by = MatchedBy::name;
  float confidence = 0;  // 1: certain
};

// Both versions with the features of all their functions.
struct Versions {
  std::shared_ptr<const Program> old_program, new_program;
  std::vector<Features> old_features, new_features;
};

class Correspondence {
 public:
  Correspondence(size_t old_count, size_t new_count) : old_(old_count), new_(new_count) {}

  bool pair(uint32_t old_function, uint32_t new_function, MatchedBy by, float confidence);
  const Match& of_old(uint32_t f) const { return old_[f]; }
  const Match& of_new(uint32_t f) const { return new_[f]; }
  size_t old_count() const { return old_.size(); }
  size_t new_count() const { return new_.size(); }

  // Notes that code at the same place refers to these two data addresses.
  void vote(uint64_t old_address, uint64_t new_address, uint32_t weight);
  void forget_votes() { votes_.clear(); }
  // Picks the winner for each old address; one-to-one.
  void count_votes();
  // The new address of old data / old address of new data, by votes; 0 when nothing refers to it.
  uint64_t new_data(uint64_t old_address) const;
  uint64_t old_data(uint64_t new_address) const;
  const std::unordered_map<uint64_t, uint64_t>& data() const { return to_new_; }

 private:
  std::vector<Match> old_, new_;
  std::unordered_map<uint64_t, std::unordered_map<uint64_t, uint32_t>> votes_;
  std::unordered_map<uint64_t, uint64_t> to_new_, to_old_;
};

// Do these two references mean the same thing?
bool same_meaning(const Versions& v, const Correspondence& c, const Meaning& old_one,
                  const Meaning& new_one);

// True when both data addresses lie in variables of the same name at the same offset. Unknown (no
// names): empty.
std::optional<bool> same_by_name(const Versions& v, uint64_t old_address, uint64_t new_address);

// A local variable's or function's name without the number that the compiler adds (`buffer.12` →
// `buffer`), and without the hash that Rust adds.
std::string_view base_name(std::string_view name);

}  // namespace mx::analyzer
