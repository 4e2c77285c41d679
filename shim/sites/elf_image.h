// A read-only view of an ELF file that may be hostile: every access is checked against the file.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "result.h"

namespace mx::sites {

using Bytes = std::span<const uint8_t>;

/// A PT_LOAD: `bytes` is what the file backs of it (p_filesz, cut at the end of the file).
struct Segment {
  uint64_t address;
  uint64_t file_offset;
  Bytes bytes;
  bool executable;
  bool writable;

  uint64_t end() const { return address + bytes.size(); }
  bool contains(uint64_t a) const { return a >= address && a < end(); }
};

/// A section that has bytes in the file. Sections are hints only: a file may have none.
struct Section {
  std::string_view name;
  uint32_t type;
  uint64_t flags;
  uint64_t address;
  Bytes bytes;
};

struct Symbol {
  uint64_t address;
  uint64_t size;  // 0: unknown
  std::string_view name;
  bool function;  // STT_FUNC or STT_GNU_IFUNC
};

class ElfImage {
 public:
  /// Parses the headers. `file` must outlive the image. Errors: not a 64-bit little-endian x86-64
  /// ELF executable or shared object, or headers that contradict the file.
  static Result<ElfImage> parse(Bytes file);

  const std::vector<Segment>& segments() const { return segments_; }
  /// Where code can be: the executable segments, each narrowed to the span of its executable
  /// sections if there are any (old linkers put read-only data into the same segment).
  const std::vector<Segment>& code() const { return code_; }
  /// The element of code() that holds `address`, or null.
  const Segment* code_at(uint64_t address) const;
  const std::vector<Section>& sections() const { return sections_; }
  /// Defined symbols of .symtab and .dynsym, unsorted.
  const std::vector<Symbol>& symbols() const { return symbols_; }
  /// From the note segments or sections; empty if the file has none.
  Bytes build_id() const { return build_id_; }
  /// True for ET_EXEC: addresses are absolute, so code can hold them as 32-bit immediates.
  bool fixed_address() const { return fixed_address_; }
  uint64_t entry() const { return entry_; }
  /// Address of .eh_frame_hdr (PT_GNU_EH_FRAME), 0 if there is none.
  uint64_t eh_frame_hdr() const { return eh_frame_hdr_; }

  /// The segment that holds `address` in its file-backed part, or null.
  const Segment* segment_of(uint64_t address) const;
  /// File-backed bytes from `address` to the end of its segment; empty if unmapped.
  Bytes from(uint64_t address) const;
  const Section* section(std::string_view name) const;

 private:
  bool read_segments(Bytes table, std::string* why);
  void read_sections(uint64_t offset, uint16_t count, uint16_t names);
  void read_symbols(Bytes table, Bytes names);
  void find_code();
  void read_notes(Bytes notes);

  Bytes file_;
  std::vector<Segment> segments_;
  std::vector<Segment> code_;
  std::vector<Section> sections_;
  std::vector<Symbol> symbols_;
  Bytes build_id_;
  bool fixed_address_ = false;
  uint64_t entry_ = 0;
  uint64_t eh_frame_hdr_ = 0;
};

/// The part [offset, offset+size) of `bytes`; nothing if it is not wholly inside.
std::optional<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t size);

}  // namespace mx::sites
