// Plain binary archive: carries facts from the parsing child to its parent.
// A type takes part by a function `fields(archive, object)` that names its members once, for both
// directions.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <type_traits>
#include <vector>

namespace mx::analyzer {

class ArchiveWriter {
 public:
  template <class T>
  ArchiveWriter& operator&(const T& value);
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  void raw(const void* data, size_t size) {
    auto* p = static_cast<const uint8_t*>(data);
    bytes_.insert(bytes_.end(), p, p + size);
  }
  std::vector<uint8_t> bytes_;
};

// Reads what ArchiveWriter wrote. Too short input sets failed(); values are then empty.
class ArchiveReader {
 public:
  explicit ArchiveReader(std::span<const uint8_t> bytes) : bytes_(bytes) {}
  template <class T>
  ArchiveReader& operator&(T& value);
  bool failed() const { return failed_; }

 private:
  bool raw(void* data, size_t size) {
    if (failed_ || size > bytes_.size()) {
      failed_ = true;
      return false;
    }
    if (size) std::memcpy(data, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
    return true;
  }
  std::span<const uint8_t> bytes_;
  bool failed_ = false;
};

template <class T>
ArchiveWriter& ArchiveWriter::operator&(const T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    raw(&value, sizeof value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    *this& static_cast<uint32_t>(value.size());
    raw(value.data(), value.size());
  } else if constexpr (requires(std::remove_const_t<T> v) { v.push_back(v[0]); }) {
    *this& static_cast<uint32_t>(value.size());
    for (const auto& item : value) *this& item;
  } else {
    fields(*this, const_cast<T&>(value));
  }
  return *this;
}

template <class T>
ArchiveReader& ArchiveReader::operator&(T& value) {
  if constexpr (std::is_arithmetic_v<T> || std::is_enum_v<T>) {
    raw(&value, sizeof value);
  } else if constexpr (std::is_same_v<T, std::string>) {
    uint32_t size = 0;
    *this& size;
    if (failed_ || size > bytes_.size()) {
      failed_ = true;
      return *this;
    }
    value.assign(reinterpret_cast<const char*>(bytes_.data()), size);
    bytes_ = bytes_.subspan(size);
  } else if constexpr (requires(std::remove_const_t<T> v) { v.push_back(v[0]); }) {
    uint32_t size = 0;
    *this& size;
    for (uint32_t i = 0; i < size && !failed_; ++i) {
      value.emplace_back();
      *this& value.back();
    }
  } else {
    fields(*this, value);
  }
  return *this;
}

}  // namespace mx::analyzer
