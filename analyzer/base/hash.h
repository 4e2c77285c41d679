// Small stable hashes: the same bytes give the same number on every run and machine.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace mx::analyzer {

// Finaliser of splitmix64: spreads every input bit over the output.
constexpr uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9ULL;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

// Order matters: combine(combine(s, a), b) differs from combine(combine(s, b), a).
constexpr uint64_t combine(uint64_t seed, uint64_t value) {
  return mix(seed * 0x9e3779b97f4a7c15ULL + value + 0x632be59bd9b4e019ULL);
}

inline uint64_t hash_bytes(std::span<const uint8_t> bytes) {
  uint64_t h = 0xcbf29ce484222325ULL ^ bytes.size();
  for (uint8_t b : bytes) h = (h ^ b) * 0x100000001b3ULL;
  return mix(h);
}

inline uint64_t hash_text(std::string_view text) {
  return hash_bytes({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

}  // namespace mx::analyzer
