#include "analyzer/code/go_functions.h"

#include <algorithm>
#include <cstring>

namespace mx::analyzer {
namespace {

// Layout of the table: Go's internal/abi and debug/gosym (pclntab.go).
constexpr uint32_t kMagic118 = 0xfffffff0, kMagic120 = 0xfffffff1;
constexpr uint64_t kHeaderSize = 72, kMostFunctions = 4'000'000;
constexpr uint64_t kLongestName = 4096;

class Table {
 public:
  Table(const Image& image, const Section& s)
      : image_(image), at_(s.address), bytes_(image.bytes_at(s.address, s.size)) {}

  std::vector<GoFunction> functions() const {
    uint32_t magic = number<uint32_t>(0);
    if (bytes_.size() < kHeaderSize || (magic != kMagic118 && magic != kMagic120)) return {};
    uint64_t count = number<uint64_t>(8), names = number<uint64_t>(32);
    uint64_t entries = number<uint64_t>(64);
    if (bytes_[7] != 8 || count > kMostFunctions || entries >= bytes_.size()) return {};
    std::vector<GoFunction> out;
    for (uint64_t k = 0; k < count; ++k) {
      uint64_t here = entries + 8 * k;
      uint64_t start = number<uint32_t>(here), end = number<uint32_t>(here + 8);
      uint64_t record = entries + number<uint32_t>(here + 4);
      if (end <= start) continue;
      out.push_back(
          {text_start() + start, end - start, name(names + number<uint32_t>(record + 4))});
    }
    return out;
  }

 private:
  // 0 outside the table.
  template <class T>
  T number(uint64_t at) const {
    T value = 0;
    if (at <= bytes_.size() && bytes_.size() - at >= sizeof value)
      std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  std::string name(uint64_t at) const {
    if (at >= bytes_.size()) return {};
    auto rest = bytes_.subspan(at, std::min<uint64_t>(bytes_.size() - at, kLongestName));
    auto end = std::find(rest.begin(), rest.end(), 0);
    return end == rest.end() ? std::string() : std::string(rest.begin(), end);
  }
  // The loader fills it in where the program has no fixed address.
  uint64_t text_start() const {
    if (const Relocation* r = image_.relocation_at(at_ + 24))
      return static_cast<uint64_t>(r->addend);
    if (uint64_t start = number<uint64_t>(24)) return start;
    const Section* text = image_.section(".text");
    return text ? text->address : 0;
  }

  const Image& image_;
  uint64_t at_;
  std::span<const uint8_t> bytes_;
};

}  // namespace

std::vector<GoFunction> go_functions(const Image& image) {
  for (const char* name : {".gopclntab", ".data.rel.ro.gopclntab"}) {
    const Section* s = image.section(name);
    if (!s || image.bytes_at(s->address, s->size).empty()) continue;
    auto all = Table(image, *s).functions();
    std::erase_if(
        all, [&](const GoFunction& f) { return f.name.empty() || !image.executable(f.address); });
    return all;
  }
  return {};
}

}  // namespace mx::analyzer
