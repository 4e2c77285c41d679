#include "analyzer/elf/image.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "analyzer/base/archive.h"
#include "analyzer/base/child.h"
#include "analyzer/base/hash.h"
#include "analyzer/elf/header_check.h"
#include "analyzer/elf/lief_reader.h"

namespace mx::analyzer {
namespace {

constexpr uint64_t kLargestFile = 2ULL << 30;

bool inside(uint64_t address, uint64_t start, uint64_t size) {
  return address >= start && address - start < size;
}

// Takes away what the file cannot back: sizes past its end, sums that wrap.
void clamp(ElfFacts& facts, uint64_t file_size) {
  std::erase_if(facts.sections, [&](const Section& s) {
    bool in_file =
        s.type == SHT_NOBITS || (s.offset <= file_size && s.size <= file_size - s.offset);
    return !in_file || s.address + s.size < s.address;
  });
  std::erase_if(facts.segments, [&](const Segment& s) {
    return s.offset > file_size || s.address + s.memory_size < s.address ||
           s.memory_size > (1ULL << 46) || s.file_size > s.memory_size;
  });
  for (Segment& s : facts.segments) s.file_size = std::min(s.file_size, file_size - s.offset);
  std::erase_if(facts.symbols, [](const Symbol& s) { return s.value + s.size < s.value; });
}

}  // namespace

Status Image::map_file(const std::string& path) {
  path_ = path;
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return Error{"cannot open " + path + ": " + strerror(errno)};
  struct stat st {};
  Status problem;
  if (fstat(fd, &st) != 0)
    problem = Error{"cannot read " + path + ": " + strerror(errno)};
  else if (!S_ISREG(st.st_mode))
    problem = Error{path + " is not a regular file"};
  else if (st.st_size == 0)
    problem = Error{path + " is empty"};
  else if (static_cast<uint64_t>(st.st_size) > kLargestFile)
    problem = Error{path + " is larger than 2 GiB, too large to analyse"};
  if (!problem) {
    void* map = mmap(nullptr, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
      problem = Error{"cannot map " + path + ": " + strerror(errno)};
    else {
      data_ = static_cast<const uint8_t*>(map);
      size_ = static_cast<size_t>(st.st_size);
    }
  }
  close(fd);
  return problem;
}

Image::~Image() {
  if (data_) munmap(const_cast<uint8_t*>(data_), size_);
}

Result<std::shared_ptr<const Image>> Image::load(const std::string& path, FileUse use) {
  std::shared_ptr<Image> image(new Image);
  if (Status s = image->map_file(path)) return *s;
  if (Status s = check_header(path, image->file_bytes(), use)) return *s;
  ChildLimits limits;
  limits.memory_bytes = (512ULL << 20) + 16 * uint64_t{image->size_};
  auto bytes = run_in_child(path, limits, [&] {
    ArchiveWriter out;
    ElfFacts facts = read_with_lief(path);
    out& facts;
    return out.bytes();
  });
  if (!bytes) return bytes.error();
  ArchiveReader in(bytes.value());
  in & image->facts_;
  if (in.failed()) return Error{path + ": the parser's result is damaged"};
  clamp(image->facts_, image->size_);
  image->index();
  if (image->loads_.empty()) return Error{path + " has nothing to load (malformed file)"};
  return std::shared_ptr<const Image>(std::move(image));
}

void Image::index() {
  for (const Segment& s : facts_.segments) {
    if (s.type == PT_LOAD) loads_.push_back(s);
    // The block ends at the thread pointer (ABI, "variant II"); of a size that distances of 31 bits
    // reach.
    bool sane = s.type == PT_TLS && s.memory_size < (1ULL << 30) && s.alignment < (1ULL << 20);
    uint64_t step = sane ? std::max<uint64_t>(s.alignment, 1) : 1;
    if (sane) thread_block_ = (s.memory_size + step - 1) / step * step;
  }
  auto by_address = [](const auto& a, const auto& b) { return a.address < b.address; };
  std::stable_sort(loads_.begin(), loads_.end(), by_address);
  for (const Section& s : facts_.sections) {
    bool tls_bss = (s.flags & SHF_TLS) && s.type == SHT_NOBITS;
    if (!(s.flags & SHF_ALLOC) || s.size == 0 || tls_bss) continue;
    allocated_.push_back(s);
    if ((s.flags & SHF_EXECINSTR) && s.type != SHT_NOBITS && executable(s.address))
      code_.push_back(s);
  }
  std::stable_sort(allocated_.begin(), allocated_.end(), by_address);
  std::stable_sort(code_.begin(), code_.end(), by_address);
  if (code_.empty() && facts_.sections.size() < 2) {
    for (const Segment& s : loads_)
      if (s.flags & PF_X) code_.push_back({"", SHT_PROGBITS, 6, s.address, s.offset, s.file_size});
  }
  go_ = section(".gopclntab") || section(".data.rel.ro.gopclntab") || section(".go.buildinfo");
  identity_ = facts_.build_id;
  if (identity_.empty()) {
    uint64_t h = hash_bytes(file_bytes());
    for (int i = 0; i < 8; ++i) identity_.push_back(static_cast<uint8_t>(h >> (8 * i)));
  }
}

std::string Image::build_id_hex() const {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (uint8_t b : facts_.build_id) {
    text += digits[b >> 4];
    text += digits[b & 15];
  }
  return text;
}

const Segment* Image::segment_at(uint64_t address) const {
  auto it = std::upper_bound(loads_.begin(), loads_.end(), address,
                             [](uint64_t a, const Segment& s) { return a < s.address; });
  if (it == loads_.begin()) return nullptr;
  --it;
  return inside(address, it->address, it->memory_size) ? &*it : nullptr;
}

std::span<const uint8_t> Image::bytes_from(uint64_t address) const {
  const Segment* s = segment_at(address);
  if (!s || !inside(address, s->address, s->file_size)) return {};
  uint64_t skip = address - s->address;
  return {data_ + s->offset + skip, static_cast<size_t>(s->file_size - skip)};
}

std::span<const uint8_t> Image::bytes_at(uint64_t address, uint64_t size) const {
  auto all = bytes_from(address);
  return all.size() < size ? std::span<const uint8_t>{} : all.first(size);
}

std::optional<uint64_t> Image::u64_at(uint64_t address) const {
  auto b = bytes_at(address, 8);
  if (b.size() != 8) return {};
  uint64_t v;
  std::memcpy(&v, b.data(), 8);
  return v;
}

std::optional<int32_t> Image::i32_at(uint64_t address) const {
  auto b = bytes_at(address, 4);
  if (b.size() != 4) return {};
  int32_t v;
  std::memcpy(&v, b.data(), 4);
  return v;
}

bool Image::executable(uint64_t address) const {
  const Segment* s = segment_at(address);
  return s && (s->flags & PF_X);
}

bool Image::writable(uint64_t address) const {
  const Segment* s = segment_at(address);
  return s && (s->flags & PF_W);
}

bool Image::constant(uint64_t address) const {
  const Segment* s = segment_at(address);
  if (!s) return false;
  if (!(s->flags & PF_W)) return true;
  for (const Segment& r : facts_.segments)
    if (r.type == PT_GNU_RELRO && inside(address, r.address, r.memory_size)) return true;
  return false;
}

const Section* Image::section(std::string_view name) const {
  for (const Section& s : facts_.sections)
    if (s.name == name) return &s;
  return nullptr;
}

const Section* Image::section_at(uint64_t address) const {
  auto it = std::upper_bound(allocated_.begin(), allocated_.end(), address,
                             [](uint64_t a, const Section& s) { return a < s.address; });
  if (it == allocated_.begin()) return nullptr;
  --it;
  return inside(address, it->address, it->size) ? &*it : nullptr;
}

bool Image::in_plt(uint64_t address) const {
  const Section* s = section_at(address);
  return s && (s->name.compare(0, 4, ".plt") == 0 || s->name == ".iplt");
}

const Relocation* Image::relocation_at(uint64_t address) const {
  const auto& all = facts_.relocations;
  auto it = std::lower_bound(all.begin(), all.end(), address,
                             [](const Relocation& r, uint64_t a) { return r.address < a; });
  return it != all.end() && it->address == address ? &*it : nullptr;
}

namespace {

// Bytes of the printable character at the start of `b` (UTF-8); 0: there is none.
size_t printable(std::span<const uint8_t> b) {
  uint8_t c = b[0];
  if (c < 128) return (c >= 32 && c < 127) || (c >= 7 && c <= 13) || c == 27;
  size_t size = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
  if (c < 0xc2 || c > 0xf4 || b.size() < size) return 0;
  for (size_t k = 1; k < size; ++k)
    if ((b[k] & 0xc0) != 0x80) return 0;
  return size;
}

}  // namespace

std::optional<std::string_view> Image::string_at(uint64_t address) const {
  if (!constant(address) || executable(address)) return {};
  auto b = bytes_from(address);
  size_t n = 0;
  while (n < b.size() && n < 65536) {
    size_t size = printable(b.subspan(n));
    if (size == 0) break;
    n += size;
  }
  if (n < 1 || n >= b.size() || b[n] != 0) return {};
  return std::string_view(reinterpret_cast<const char*>(b.data()), n);
}

}  // namespace mx::analyzer
