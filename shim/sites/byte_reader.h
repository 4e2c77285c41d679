// A cursor over bytes of a file that may be hostile. Reading past the end yields 0 and sets
// failed().
#pragma once
#include <cstdint>
#include <cstring>

#include "elf_image.h"

namespace mx::sites {

class ByteReader {
 public:
  /// `address` is the virtual address of bytes[0].
  ByteReader(Bytes bytes, uint64_t address) : bytes_(bytes), base_(address) {}

  bool failed() const { return failed_; }
  bool done() const { return failed_ || at_ == bytes_.size(); }
  uint64_t address() const { return base_ + at_; }
  size_t left() const { return bytes_.size() - at_; }

  template <typename T>
  T fixed() {
    T value{};
    if (left() < sizeof value) return fail(), value;
    std::memcpy(&value, bytes_.data() + at_, sizeof value);
    at_ += sizeof value;
    return value;
  }

  uint64_t uleb() { return leb(false); }
  int64_t sleb() { return static_cast<int64_t>(leb(true)); }

  void skip(uint64_t count) {
    if (count > left()) return fail();
    at_ += count;
  }

  /// The next `size` bytes as a reader of their own; moves behind them.
  ByteReader sub(uint64_t size) {
    if (size > left()) {
      fail();
      return {Bytes{}, 0};
    }
    ByteReader inner(bytes_.subspan(at_, size), address());
    at_ += size;
    return inner;
  }

  /// A pointer in a DW_EH_PE_* encoding (LSB, "Exception Frames"). 0 for DW_EH_PE_omit. Indirect
  /// pointers and the encodings relative to text, data or function are not followed: failed().
  uint64_t encoded(uint8_t encoding);

 private:
  void fail() {
    failed_ = true;
    at_ = bytes_.size();
  }
  uint64_t leb(bool sign_extend);

  Bytes bytes_;
  uint64_t base_;
  size_t at_ = 0;
  bool failed_ = false;
};

}  // namespace mx::sites
