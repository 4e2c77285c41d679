#include "analyzer/elf/header_check.h"

#include <elf.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "analyzer/base/hex.h"

namespace mx::analyzer {
namespace {

constexpr uint64_t kAddressSpace = 1ULL << 47;  // of a process

bool fits(uint64_t start, uint64_t size, uint64_t limit) {
  return start <= limit && size <= limit - start;
}

// The records of a table that has been found to lie inside the file.
template <class Record>
std::vector<Record> table_at(std::span<const uint8_t> file, uint64_t offset, uint64_t count) {
  std::vector<Record> records(count);
  if (count) std::memcpy(records.data(), file.data() + offset, count * sizeof(Record));
  return records;
}

Status check_kind(const std::string& path, std::span<const uint8_t> file, Elf64_Ehdr& h) {
  if (file.empty()) return Error{path + " is empty"};
  if (file.size() < EI_NIDENT || std::memcmp(file.data(), ELFMAG, SELFMAG) != 0)
    return Error{path + " is not an ELF file"};
  if (file[EI_CLASS] != ELFCLASS64) return Error{path + " is not a 64-bit ELF file"};
  if (file.size() < sizeof h) return Error{path + " is truncated: no complete ELF header"};
  std::memcpy(&h, file.data(), sizeof h);
  if (file[EI_DATA] != ELFDATA2LSB || h.e_machine != EM_X86_64)
    return Error{path + " is for another architecture than x86-64"};
  if (h.e_type == ET_CORE) return Error{path + " is a core file, not a program"};
  if (h.e_type == ET_REL) return Error{path + " is an object file, not a program; link it first"};
  if (h.e_type != ET_EXEC && h.e_type != ET_DYN)
    return Error{path + " is neither an executable nor a shared object"};
  return {};
}

Status check_segments(const std::string& path, std::span<const uint8_t> file, const Elf64_Ehdr& h) {
  std::vector<Elf64_Phdr> loads;
  for (const Elf64_Phdr& p : table_at<Elf64_Phdr>(file, h.e_phoff, h.e_phnum)) {
    if (p.p_type != PT_LOAD) continue;
    if (!fits(p.p_offset, p.p_filesz, file.size()))
      return Error{path + " is truncated: the segment at " + hex(p.p_vaddr) +
                   " lies outside the file"};
    if (p.p_filesz > p.p_memsz || !fits(p.p_vaddr, p.p_memsz, kAddressSpace))
      return Error{path + " is malformed: the segment at " + hex(p.p_vaddr) +
                   " has an impossible size"};
    if (p.p_memsz) loads.push_back(p);
  }
  std::sort(loads.begin(), loads.end(),
            [](const auto& a, const auto& b) { return a.p_vaddr < b.p_vaddr; });
  for (size_t k = 1; k < loads.size(); ++k)
    if (loads[k].p_vaddr - loads[k - 1].p_vaddr < loads[k - 1].p_memsz)
      return Error{path + " is malformed: the segments at " + hex(loads[k - 1].p_vaddr) + " and " +
                   hex(loads[k].p_vaddr) + " overlap"};
  bool entered = std::any_of(loads.begin(), loads.end(), [&](const Elf64_Phdr& p) {
    return (p.p_flags & PF_X) && h.e_entry >= p.p_vaddr && h.e_entry - p.p_vaddr < p.p_filesz;
  });
  if (h.e_entry && !entered)
    return Error{path + " is malformed: its entry " + hex(h.e_entry) + " is no code"};
  return {};
}

Status check_sections(const std::string& path, std::span<const uint8_t> file, const Elf64_Ehdr& h) {
  if (h.e_shoff == 0 || h.e_shnum == 0) return {};  // a program runs without
  uint64_t size = uint64_t{h.e_shnum} * sizeof(Elf64_Shdr);
  if (h.e_shentsize != sizeof(Elf64_Shdr) || !fits(h.e_shoff, size, file.size()))
    return Error{path + " is truncated: its section headers lie outside the file"};
  if (h.e_shstrndx != SHN_XINDEX && h.e_shstrndx >= h.e_shnum)
    return Error{path + " is malformed: the section with the sections' names does not exist"};
  for (const Elf64_Shdr& s : table_at<Elf64_Shdr>(file, h.e_shoff, h.e_shnum))
    if (s.sh_type != SHT_NOBITS && s.sh_type != SHT_NULL &&
        !fits(s.sh_offset, s.sh_size, file.size()))
      return Error{path + " is malformed: a section's " + std::to_string(s.sh_size) +
                   " bytes at offset " + hex(s.sh_offset) + " lie outside the file"};
  return {};
}

}  // namespace

Status check_header(const std::string& path, std::span<const uint8_t> file, FileUse use) {
  Elf64_Ehdr h;
  if (Status s = check_kind(path, file, h)) return s;
  uint64_t size = uint64_t{h.e_phnum} * sizeof(Elf64_Phdr);
  if (h.e_phnum == 0) return Error{path + " has no program headers: nothing to load"};
  if (h.e_phentsize != sizeof(Elf64_Phdr) || !fits(h.e_phoff, size, file.size()))
    return Error{path + " is truncated: its program headers lie outside the file"};
  if (use == FileUse::debug_file) return {};
  if (Status s = check_segments(path, file, h)) return s;
  return check_sections(path, file, h);
}

}  // namespace mx::analyzer
