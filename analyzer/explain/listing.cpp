#include "analyzer/explain/listing.h"

#include <algorithm>

#include "analyzer/code/decoder.h"
#include "analyzer/match/alignment.h"

namespace mx::analyzer {
namespace {

constexpr uint64_t kLargest = 1 << 20;  // bytes of a function that are decoded for a listing

struct Decoded {
  std::vector<uint64_t> addresses, tokens;
};

Decoded decode_all(const CodeRange& range) {
  Decoded out;
  if (!range.image) return out;
  Decoder decoder(*range.image);
  auto bytes = range.image->bytes_from(range.address);
  bytes = bytes.first(std::min<uint64_t>({bytes.size(), range.size, kLargest}));
  for (size_t at = 0; at < bytes.size();) {
    auto i = decoder.decode(bytes.subspan(at), range.address + at, range.address);
    out.addresses.push_back(range.address + at);
    out.tokens.push_back(i ? i->token : bytes[at]);
    at += i ? i->size : 1;
  }
  return out;
}

std::vector<ListedInstruction> window(const CodeRange& range, const Decoded& code, size_t middle,
                                      bool current, unsigned around) {
  std::vector<ListedInstruction> out;
  if (code.addresses.empty()) return out;
  Decoder decoder(*range.image);
  size_t first = middle > around ? middle - around : 0,
         last = std::min(code.addresses.size(), middle + around + 1);
  for (size_t k = first; k < last; ++k) {
    uint64_t a = code.addresses[k];
    out.push_back({a, decoder.text(range.image->bytes_from(a), a), current && k == middle});
  }
  return out;
}

}  // namespace

Listing list_around(const CodeRange& own, uint64_t address, const CodeRange& other,
                    unsigned around) {
  Listing out;
  Decoded code = decode_all(own);
  auto after = std::upper_bound(code.addresses.begin(), code.addresses.end(), address);
  if (after == code.addresses.begin()) return out;
  size_t here = static_cast<size_t>(after - code.addresses.begin()) - 1;
  out.own = window(own, code, here, true, around);
  Decoded there = decode_all(other);
  if (there.addresses.empty()) return out;
  size_t place = 0;
  bool exact = false;
  for (auto [mine, its] : align(code.tokens, there.tokens)) {
    if (mine > here) break;
    place = its + (mine < here);  // the place behind the last instruction that both have
    exact = mine == here;
  }
  place = std::min(place, there.addresses.size() - 1);
  out.other = window(other, there, place, exact, around);
  return out;
}

}  // namespace mx::analyzer
