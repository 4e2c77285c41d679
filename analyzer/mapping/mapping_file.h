// Reads a mapping file: maps it, checks it, parses nothing. Links neither LIEF nor Capstone.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "analyzer/base/result.h"
#include "analyzer/mapping/format.h"

namespace mx::mapping {

using analyzer::Error;
using analyzer::Result;

class MappingFile {
 public:
  // Errors: cannot be opened, wrong magic or version, cut off, checksum wrong, tables or indices
  // outside the file.
  static Result<std::shared_ptr<const MappingFile>> open(const std::string& path);
  // Checks bytes in memory; `bytes` must live as long as the result.
  static Result<std::shared_ptr<const MappingFile>> check(std::span<const uint8_t> bytes,
                                                          const std::string& what);
  ~MappingFile();
  MappingFile(const MappingFile&) = delete;
  MappingFile& operator=(const MappingFile&) = delete;

  const Header& header() const { return *reinterpret_cast<const Header*>(bytes_.data()); }
  std::span<const uint8_t> bytes() const { return bytes_; }
  std::span<const Function> functions() const { return table<Function>(header().functions); }
  std::span<const CallSite> call_sites() const { return table<CallSite>(header().call_sites); }
  std::span<const Frame> frames() const { return table<Frame>(header().frames); }
  std::span<const Data> data() const { return table<Data>(header().data); }
  std::span<const Fixup> fixups() const { return table<Fixup>(header().fixups); }
  std::span<const CallSite> sites_of(const Function& f) const {
    return call_sites().subspan(f.first_call_site, f.call_sites);
  }
  std::span<const Fixup> old_fixups_of(const Function& f) const {
    return fixups().subspan(f.first_old_fixup, f.old_fixups);
  }
  std::span<const Fixup> new_fixups_of(const Function& f) const {
    return fixups().subspan(f.first_new_fixup, f.new_fixups);
  }
  std::span<const Move> moves() const { return table<Move>(header().moves); }
  // What happens to the values of a frame when it becomes one of the new (old) version.
  std::span<const Move> moves_to_new(const CallSite& s) const {
    return moves().subspan(s.first_move_to_new, s.moves_to_new);
  }
  std::span<const Move> moves_to_old(const CallSite& s) const {
    return moves().subspan(s.first_move_to_old, s.moves_to_old);
  }
  std::string_view text(uint32_t offset) const;

  // The function whose code holds `address` in that version; nullptr if none.
  const Function* function_at_old(uint64_t address) const;
  const Function* function_at_new(uint64_t address) const;
  // The call site with this return address; nullptr if it has no counterpart.
  const CallSite* site_at_old(uint64_t return_address) const;
  const CallSite* site_at_new(uint64_t return_address) const;

 private:
  MappingFile() = default;
  analyzer::Status verify(const std::string& what) const;
  template <class T>
  std::span<const T> table(const Table& t) const {
    return {reinterpret_cast<const T*>(bytes_.data() + t.offset), static_cast<size_t>(t.count)};
  }
  std::span<const uint8_t> bytes_;
  bool owned_ = false;
};

// The checksum that the header holds: computed over all bytes, the field itself taken as 0.
uint64_t checksum_of(std::span<const uint8_t> file);

}  // namespace mx::mapping
