#include "elf_image.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace mx::sites {
namespace {

constexpr size_t kMaxSegments = 256;
constexpr uint64_t kMaxAddress = uint64_t{1} << 47;

template <typename T>
T load(Bytes bytes, size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof value);
  return value;
}

std::string_view name_at(Bytes names, uint32_t at) {
  if (at >= names.size()) return {};
  const char* text = reinterpret_cast<const char*>(names.data()) + at;
  return {text, strnlen(text, names.size() - at)};
}

}  // namespace

std::optional<Bytes> slice(Bytes bytes, uint64_t offset, uint64_t size) {
  if (offset > bytes.size() || size > bytes.size() - offset) return std::nullopt;
  return bytes.subspan(offset, size);
}

Result<ElfImage> ElfImage::parse(Bytes file) {
  if (file.size() < sizeof(Elf64_Ehdr)) return Error{"too short for an ELF file"};
  const auto header = load<Elf64_Ehdr>(file, 0);
  if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return Error{"not an ELF file"};
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB ||
      header.e_machine != EM_X86_64)
    return Error{"not an x86-64 ELF file"};
  if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
    return Error{"neither an executable nor a shared object"};
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return Error{"program headers of unknown size"};

  const auto table = slice(file, header.e_phoff, uint64_t{header.e_phnum} * sizeof(Elf64_Phdr));
  if (!table) return Error{"program headers lie outside the file"};
  ElfImage image;
  image.file_ = file;
  image.fixed_address_ = header.e_type == ET_EXEC;
  image.entry_ = header.e_entry;
  std::string why;
  if (!image.read_segments(*table, &why)) return Error{why};
  if (header.e_shentsize == sizeof(Elf64_Shdr))
    image.read_sections(header.e_shoff, header.e_shnum, header.e_shstrndx);
  image.find_code();
  return image;
}

bool ElfImage::read_segments(Bytes table, std::string* why) {
  uint64_t total = 0;
  for (size_t at = 0; at < table.size(); at += sizeof(Elf64_Phdr)) {
    const auto header = load<Elf64_Phdr>(table, at);
    if (header.p_type == PT_GNU_EH_FRAME) eh_frame_hdr_ = header.p_vaddr;
    if (header.p_offset > file_.size()) continue;
    const Bytes bytes = file_.subspan(
        header.p_offset, std::min<uint64_t>(header.p_filesz, file_.size() - header.p_offset));
    if (header.p_type == PT_NOTE) read_notes(bytes);
    if (header.p_type != PT_LOAD) continue;
    if (header.p_vaddr >= kMaxAddress || segments_.size() == kMaxSegments) {
      *why = "load segments the kernel would refuse";
      return false;
    }
    total += bytes.size();
    segments_.push_back({header.p_vaddr, header.p_offset, bytes, (header.p_flags & PF_X) != 0,
                         (header.p_flags & PF_W) != 0});
  }
  // A hostile file could map its bytes hundreds of times to keep the finder busy.
  if (total > 2 * file_.size()) {
    *why = "load segments overlap in the file";
    return false;
  }
  return true;
}

void ElfImage::read_sections(uint64_t offset, uint16_t count, uint16_t names) {
  const auto table = slice(file_, offset, uint64_t{count} * sizeof(Elf64_Shdr));
  if (!table || names >= count) return;
  const auto names_header = load<Elf64_Shdr>(*table, names * sizeof(Elf64_Shdr));
  const Bytes name_bytes =
      slice(file_, names_header.sh_offset, names_header.sh_size).value_or(Bytes{});
  bool seen_symtab = false, seen_dynsym = false;  // a valid file has one of each at most
  for (size_t i = 0; i < count; ++i) {
    const auto header = load<Elf64_Shdr>(*table, i * sizeof(Elf64_Shdr));
    if (header.sh_type == SHT_NOBITS || header.sh_type == SHT_NULL) continue;
    const auto bytes = slice(file_, header.sh_offset, header.sh_size);
    if (!bytes || header.sh_addr >= kMaxAddress) continue;
    sections_.push_back({name_at(name_bytes, header.sh_name), header.sh_type, header.sh_flags,
                         header.sh_addr, *bytes});
    bool* const seen = header.sh_type == SHT_SYMTAB   ? &seen_symtab
                       : header.sh_type == SHT_DYNSYM ? &seen_dynsym
                                                      : nullptr;
    if (seen && !std::exchange(*seen, true)) {
      Bytes symbol_names;
      if (header.sh_link < count) {
        const auto link = load<Elf64_Shdr>(*table, header.sh_link * sizeof(Elf64_Shdr));
        symbol_names = slice(file_, link.sh_offset, link.sh_size).value_or(Bytes{});
      }
      read_symbols(*bytes, symbol_names);
    }
    if (header.sh_type == SHT_NOTE && build_id_.empty()) read_notes(*bytes);
  }
}

void ElfImage::read_symbols(Bytes table, Bytes names) {
  for (size_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
    const auto symbol = load<Elf64_Sym>(table, at);
    const unsigned type = ELF64_ST_TYPE(symbol.st_info);
    if (symbol.st_shndx == SHN_UNDEF || symbol.st_shndx == SHN_ABS || type == STT_TLS) continue;
    symbols_.push_back({symbol.st_value, symbol.st_size, name_at(names, symbol.st_name),
                        type == STT_FUNC || type == STT_GNU_IFUNC});
  }
}

void ElfImage::read_notes(Bytes notes) {
  const auto padded = [](uint64_t size) { return (size + 3) & ~uint64_t{3}; };
  while (notes.size() >= sizeof(Elf64_Nhdr)) {
    const auto note = load<Elf64_Nhdr>(notes, 0);
    const auto name = slice(notes, sizeof note, note.n_namesz);
    const auto content = slice(notes, sizeof note + padded(note.n_namesz), note.n_descsz);
    if (!name || !content) return;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 &&
        std::memcmp(name->data(), "GNU", 4) == 0 && content->size() <= 32) {
      build_id_ = *content;
      return;
    }
    const uint64_t next = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (next > notes.size()) return;
    notes = notes.subspan(next);
  }
}

void ElfImage::find_code() {
  for (const Segment& segment : segments_) {
    if (!segment.executable || segment.bytes.empty()) continue;
    uint64_t begin = segment.end(), end = segment.address;
    for (const Section& section : sections_) {
      if (!(section.flags & SHF_EXECINSTR) || section.bytes.empty()) continue;
      const uint64_t section_end = section.address + section.bytes.size();
      if (!segment.contains(section.address) || section_end > segment.end()) continue;
      begin = std::min(begin, section.address);
      end = std::max(end, section_end);
    }
    if (begin >= end) begin = segment.address, end = segment.end();
    const uint64_t skipped = begin - segment.address;
    code_.push_back({begin, segment.file_offset + skipped,
                     segment.bytes.subspan(skipped, end - begin), true, segment.writable});
  }
}

const Segment* ElfImage::code_at(uint64_t address) const {
  for (const Segment& code : code_)
    if (code.contains(address)) return &code;
  return nullptr;
}

const Segment* ElfImage::segment_of(uint64_t address) const {
  for (const Segment& segment : segments_)
    if (segment.contains(address)) return &segment;
  return nullptr;
}

Bytes ElfImage::from(uint64_t address) const {
  const Segment* segment = segment_of(address);
  return segment ? segment->bytes.subspan(address - segment->address) : Bytes{};
}

const Section* ElfImage::section(std::string_view name) const {
  for (const Section& section : sections_)
    if (section.name == name) return &section;
  return nullptr;
}

}  // namespace mx::sites
