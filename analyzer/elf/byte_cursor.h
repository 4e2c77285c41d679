// Reads numbers from untrusted bytes; past the end it fails and stays failed.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

namespace mx::analyzer {

class ByteCursor {
 public:
  ByteCursor(std::span<const uint8_t> bytes, uint64_t address) : bytes_(bytes), address_(address) {}

  bool failed() const { return failed_; }
  bool at_end() const { return failed_ || at_ >= bytes_.size(); }
  uint64_t address() const { return address_ + at_; }
  size_t left() const { return failed_ ? 0 : bytes_.size() - at_; }

  template <class T>
  T number() {
    T v{};
    if (left() < sizeof v) {
      failed_ = true;
      return v;
    }
    std::memcpy(&v, bytes_.data() + at_, sizeof v);
    at_ += sizeof v;
    return v;
  }
  uint64_t uleb() {
    uint64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
      uint8_t b = number<uint8_t>();
      if (failed_ || shift > 63) return fail();
      v |= uint64_t{b & 0x7fu} << shift;
      if (!(b & 0x80)) return v;
    }
  }
  int64_t sleb() {
    int64_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
      uint8_t b = number<uint8_t>();
      if (failed_ || shift > 63) return static_cast<int64_t>(fail());
      v |= static_cast<int64_t>(uint64_t{b & 0x7fu} << shift);
      if (!(b & 0x80)) {
        if ((b & 0x40) && shift + 7 < 64) v |= -(int64_t{1} << (shift + 7));
        return v;
      }
    }
  }
  // The next `size` bytes as a cursor of their own.
  ByteCursor take(uint64_t size) {
    if (size > left()) {
      failed_ = true;
      return ByteCursor({}, address_);
    }
    ByteCursor part(bytes_.subspan(at_, size), address());
    at_ += size;
    return part;
  }
  void skip(uint64_t size) { take(size); }
  const char* text() {  // zero-terminated; nullptr when there is no terminator
    const void* end = failed_ ? nullptr : std::memchr(bytes_.data() + at_, 0, left());
    if (!end) {
      failed_ = true;
      return nullptr;
    }
    const char* s = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ = static_cast<size_t>(static_cast<const uint8_t*>(end) - bytes_.data()) + 1;
    return s;
  }

 private:
  uint64_t fail() {
    failed_ = true;
    return 0;
  }
  std::span<const uint8_t> bytes_;
  uint64_t address_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace mx::analyzer
