// An ELF file as the loader sees it: segments, relocations, dynamic symbols, call frame
// information. Read in place, every offset checked. (The analyser has a fuller reader, but needs
// LIEF for it.)
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "analyzer/base/result.h"

namespace mx::recovery {

class ElfView {
 public:
  struct Segment {
    uint64_t address = 0, offset = 0, file_size = 0, memory_size = 0;
    uint32_t flags = 0;  // PF_*
  };
  struct Relocation {
    uint64_t address = 0;
    uint32_t type = 0;
    std::string_view symbol;    // "" : none
    uint64_t symbol_value = 0;  // 0: not defined here
    int64_t addend = 0;
  };

  static analyzer::Result<std::shared_ptr<const ElfView>> open(const std::string& path);
  ~ElfView();
  ElfView(const ElfView&) = delete;
  ElfView& operator=(const ElfView&) = delete;

  const std::vector<Segment>& segments() const { return loads_; }
  bool position_independent() const { return position_independent_; }
  /// First and last+1 page of the image.
  uint64_t first_page() const;
  uint64_t end_page() const;
  /// The end of the last page that holds something of the file; behind it is only memory that
  /// begins as zeros (.bss).
  uint64_t end_page_in_file() const;
  const Segment* segment_at(uint64_t address) const;
  bool executable(uint64_t address) const;
  /// Read-only once the program runs: not writable, or made read-only after relocation.
  bool constant(uint64_t address) const;
  /// What becomes read-only after relocation (PT_GNU_RELRO): start and end.
  std::pair<uint64_t, uint64_t> made_read_only() const { return {relro_, relro_ + relro_size_}; }
  /// File bytes at an address; empty when not all of them come from the file.
  std::span<const uint8_t> bytes(uint64_t address, size_t size) const;
  /// From `address` to the end of its segment's file part.
  std::span<const uint8_t> bytes_from(uint64_t address) const;
  template <class T>
  std::optional<T> value(uint64_t address) const {
    auto b = bytes(address, sizeof(T));
    if (b.empty()) return {};
    T v;
    __builtin_memcpy(&v, b.data(), sizeof v);
    return v;
  }

  /// Sorted by address.
  const std::vector<Relocation>& relocations() const { return relocations_; }
  const Relocation* relocation_at(uint64_t address) const;
  /// Address of a defined symbol (dynamic ones first, then .symtab); empty when there is none.
  std::optional<uint64_t> symbol(std::string_view name) const;
  /// Address of an exported function that needs no choice at start-up (not an ifunc); empty when
  /// there is none.
  std::optional<uint64_t> function(std::string_view name) const {
    return exported(name, 2 /*STT_FUNC*/);
  }
  /// Address of the function that makes that choice for an exported ifunc.
  std::optional<uint64_t> chooser(std::string_view name) const {
    return exported(name, 10 /*STT_GNU_IFUNC*/);
  }
  /// Name and start of the function or object symbol that covers `address`; "" if none.
  std::string symbol_at(uint64_t address) const;
  /// Start and end of .eh_frame, by section header or
  /// through PT_GNU_EH_FRAME; 0,0 when there is none.
  std::pair<uint64_t, uint64_t> call_frames() const { return {eh_frame_, eh_frame_end_}; }
  /// Where the entries of .eh_frame lie, sorted by the code
  /// they cover; made at the first use by call_frames.cpp.
  struct FrameIndex {
    uint64_t start = 0, size = 0, entry = 0;
  };
  mutable std::vector<FrameIndex> frame_index;
  mutable bool frame_index_made = false;
  /// Thread-local variables lie at the same places in both files, as far as size and symbols tell.
  bool same_thread_locals(const ElfView& other) const;
  uint64_t tls_size() const { return tls_size_; }
  uint64_t tls_align() const { return tls_align_; }

 private:
  ElfView() = default;
  std::string parse();
  void parse_dynamic(uint64_t address, uint64_t size);
  void parse_sections(uint64_t offset, uint32_t count, uint32_t names);
  void add_relocations(uint64_t address, uint64_t size);
  struct Symbols {
    std::span<const uint8_t> table;  // Elf64_Sym
    std::span<const uint8_t> names;
  };
  std::string_view name(const Symbols& s, uint32_t at) const;
  std::map<std::string_view, uint64_t> thread_locals() const;
  std::optional<uint64_t> exported(std::string_view name, unsigned type) const;

  std::span<const uint8_t> file_;
  std::vector<Segment> loads_;
  std::vector<Relocation> relocations_;
  Symbols dynamic_, full_;
  bool position_independent_ = false;
  uint64_t relro_ = 0, relro_size_ = 0, eh_frame_ = 0, eh_frame_end_ = 0, eh_frame_hdr_ = 0,
           tls_size_ = 0, tls_align_ = 0;
};

}  // namespace mx::recovery
