#include "analyzer/mapping/mapping_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "analyzer/base/hash.h"

namespace mx::mapping {
namespace {

uint32_t index_count(const Header& h) { return static_cast<uint32_t>(h.by_new_address.count); }

bool range_fits(uint64_t first, uint64_t count, uint64_t all) {
  return first <= all && count <= all - first;
}

}  // namespace

uint64_t checksum_of(std::span<const uint8_t> file) {
  uint64_t h = 0x6d786d6170ULL;
  for (size_t at = 0; at < file.size(); at += 8) {
    uint64_t word = 0;
    std::memcpy(&word, file.data() + at, std::min<size_t>(8, file.size() - at));
    if (at == offsetof(Header, checksum)) word = 0;
    h = (h ^ word) * 0x9e3779b97f4a7c15ULL;
    h ^= h >> 29;
  }
  return analyzer::mix(h);
}

Result<std::shared_ptr<const MappingFile>> MappingFile::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return Error{"cannot open " + path + ": " + strerror(errno)};
  struct stat st {};
  void* map = MAP_FAILED;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
    map = mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd,
               0);
  close(fd);
  if (map == MAP_FAILED) return Error{path + " is not a mapping file"};
  std::shared_ptr<MappingFile> file(new MappingFile);
  file->bytes_ = {static_cast<const uint8_t*>(map), static_cast<size_t>(st.st_size)};
  file->owned_ = true;
  if (auto problem = file->verify(path)) return *problem;
  return std::shared_ptr<const MappingFile>(std::move(file));
}

Result<std::shared_ptr<const MappingFile>> MappingFile::check(std::span<const uint8_t> bytes,
                                                              const std::string& what) {
  std::shared_ptr<MappingFile> file(new MappingFile);
  file->bytes_ = bytes;
  if (auto problem = file->verify(what)) return *problem;
  return std::shared_ptr<const MappingFile>(std::move(file));
}

MappingFile::~MappingFile() {
  if (owned_) munmap(const_cast<uint8_t*>(bytes_.data()), bytes_.size());
}

// After this, no accessor can leave the file.
analyzer::Status MappingFile::verify(const std::string& what) const {
  if (bytes_.size() < sizeof(Header) || reinterpret_cast<uintptr_t>(bytes_.data()) % 8)
    return Error{what + " is not a mapping file: too short"};
  const Header& h = header();
  if (std::memcmp(h.magic, kMagic, sizeof kMagic) != 0)
    return Error{what + " is not a mapping file"};
  if (h.version != kVersion || h.header_size != sizeof(Header))
    return Error{what + " has mapping format " + std::to_string(h.version) +
                 ", this program reads " + std::to_string(kVersion)};
  if (h.file_size != bytes_.size()) return Error{what + " is cut off"};
  if (h.checksum != checksum_of(bytes_)) return Error{what + " is damaged: its checksum is wrong"};
  auto table_fits = [&](const Table& t, uint64_t record) {
    return t.offset >= sizeof(Header) && t.offset <= bytes_.size() && t.offset % 8 == 0 &&
           t.count <= (bytes_.size() - t.offset) / record;
  };
  bool fits = table_fits(h.functions, sizeof(Function)) && table_fits(h.by_new_address, 4) &&
              table_fits(h.call_sites, sizeof(CallSite)) && table_fits(h.frames, sizeof(Frame)) &&
              table_fits(h.data, sizeof(Data)) && table_fits(h.fixups, sizeof(Fixup)) &&
              table_fits(h.moves, sizeof(Move)) && table_fits(h.strings, 1) &&
              h.strings.count > 0 && bytes_[h.strings.offset + h.strings.count - 1] == 0 &&
              h.old_file.id_size <= sizeof h.old_file.id &&
              h.new_file.id_size <= sizeof h.new_file.id;
  if (!fits) return Error{what + " is damaged: a table lies outside the file"};
  for (const Function& f : functions()) {
    fits = fits && range_fits(f.first_call_site, f.call_sites, h.call_sites.count) &&
           range_fits(f.first_old_fixup, f.old_fixups, h.fixups.count) &&
           range_fits(f.first_new_fixup, f.new_fixups, h.fixups.count);
  }
  for (const CallSite& s : call_sites())
    fits = fits && (s.old_frame == kNothing || s.old_frame < h.frames.count) &&
           (s.new_frame == kNothing || s.new_frame < h.frames.count) &&
           range_fits(s.first_move_to_new, s.moves_to_new, h.moves.count) &&
           range_fits(s.first_move_to_old, s.moves_to_old, h.moves.count);
  for (uint32_t i : table<uint32_t>(h.by_new_address)) fits = fits && i < h.functions.count;
  if (!fits) return Error{what + " is damaged: an index lies outside its table"};
  return {};
}

std::string_view MappingFile::text(uint32_t offset) const {
  const Table& t = header().strings;
  return offset < t.count ? reinterpret_cast<const char*>(bytes_.data() + t.offset + offset) : "";
}

const Function* MappingFile::function_at_old(uint64_t address) const {
  auto all = functions();
  auto end = std::partition_point(all.begin(), all.end(),
                                  [](const Function& f) { return f.old_address != 0; });
  auto it = std::upper_bound(all.begin(), end, address,
                             [](uint64_t a, const Function& f) { return a < f.old_address; });
  for (int back = 0; back < 8 && it != all.begin(); ++back) {
    --it;
    if (address - it->old_address < it->old_size) return &*it;
  }
  return nullptr;
}

const Function* MappingFile::function_at_new(uint64_t address) const {
  auto order = table<uint32_t>(header().by_new_address);
  auto all = functions();
  auto it = std::upper_bound(order.begin(), order.begin() + index_count(header()), address,
                             [&](uint64_t a, uint32_t i) { return a < all[i].new_address; });
  for (int back = 0; back < 8 && it != order.begin(); ++back) {
    --it;
    if (address - all[*it].new_address < all[*it].new_size) return &all[*it];
  }
  return nullptr;
}

const CallSite* MappingFile::site_at_old(uint64_t return_address) const {
  const Function* f = function_at_old(return_address - 1);
  if (!f) return nullptr;
  for (const CallSite& s : sites_of(*f))
    if (s.old_return == return_address) return &s;
  return nullptr;
}

const CallSite* MappingFile::site_at_new(uint64_t return_address) const {
  const Function* f = function_at_new(return_address - 1);
  if (!f) return nullptr;
  for (const CallSite& s : sites_of(*f))
    if (s.new_return == return_address) return &s;
  return nullptr;
}

}  // namespace mx::mapping
