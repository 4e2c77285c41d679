// One ELF file: its bytes (mapped read-only) and its facts. Every access is checked against the
// file's size.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "analyzer/base/result.h"
#include "analyzer/elf/facts.h"
#include "analyzer/elf/header_check.h"

namespace mx::analyzer {

// Addresses are those of the file (link time), before any load bias.

// Thread-local variables have no address in a file. Here they have one, far from all others: this
// plus their offset in the thread-local block.
constexpr uint64_t kThreadSpace = 1ULL << 62;
constexpr bool is_thread_local(uint64_t address) { return address >> 62 == 1; }

class Image {
 public:
  // Loads an x86-64 executable or shared object, or a debug file of one. Errors: not ELF, other
  // class, machine or type, truncated, malformed.
  static Result<std::shared_ptr<const Image>> load(const std::string& path,
                                                   FileUse use = FileUse::program);
  // Like load, but also takes a separate debug file (its code sections are NOBITS).
  ~Image();
  Image(const Image&) = delete;
  Image& operator=(const Image&) = delete;

  const std::string& path() const { return path_; }
  const ElfFacts& facts() const { return facts_; }
  bool position_independent() const { return facts_.type == 3; }
  std::string build_id_hex() const;
  // Identifies the contents: the build-id, or a hash of the file when it has none.
  const std::vector<uint8_t>& identity() const { return identity_; }
  std::span<const uint8_t> file_bytes() const { return {data_, size_}; }

  // The file's bytes from `address` to the end of its segment's file part; empty if there are none.
  std::span<const uint8_t> bytes_from(uint64_t address) const;
  // Exactly `size` bytes, or empty.
  std::span<const uint8_t> bytes_at(uint64_t address, uint64_t size) const;
  std::optional<uint64_t> u64_at(uint64_t address) const;
  std::optional<int32_t> i32_at(uint64_t address) const;

  const Segment* segment_at(uint64_t address) const;
  // Bytes from the start of the thread-local block to the thread pointer; 0: the file has no block.
  uint64_t thread_block() const { return thread_block_; }
  // The address (see kThreadSpace) of what lies at this distance from the thread pointer.
  uint64_t thread_address(int32_t distance) const {
    return kThreadSpace + thread_block_ + static_cast<uint64_t>(int64_t{distance});
  }
  bool mapped(uint64_t address) const { return segment_at(address) != nullptr; }
  bool executable(uint64_t address) const;
  bool writable(uint64_t address) const;
  // True where the program cannot write after start-up: no PF_W, or inside PT_GNU_RELRO.
  bool constant(uint64_t address) const;

  const Section* section(std::string_view name) const;
  const Section* section_at(uint64_t address) const;
  const std::vector<Section>& code_sections() const { return code_; }
  // True in .plt, .plt.got, .plt.sec, .iplt.
  bool in_plt(uint64_t address) const;

  const Relocation* relocation_at(uint64_t address) const;
  // Was this made by the Go compiler?
  bool go() const { return go_; }
  // The printable (UTF-8), zero-terminated string at a constant address; never an empty one.
  std::optional<std::string_view> string_at(uint64_t address) const;

 private:
  Image() = default;
  Status map_file(const std::string& path);
  void index();

  std::string path_;
  const uint8_t* data_ = nullptr;
  size_t size_ = 0;
  ElfFacts facts_;
  std::vector<uint8_t> identity_;
  uint64_t thread_block_ = 0;
  bool go_ = false;
  std::vector<Segment> loads_;      // PT_LOAD, sorted by address
  std::vector<Section> allocated_;  // SHF_ALLOC without TLS bss, sorted by address
  std::vector<Section> code_;       // executable sections (or segments when there is no section)
};

}  // namespace mx::analyzer
