#include "recovery/elf_view.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace mx::recovery {
namespace {

constexpr uint64_t kPage = 4096;
constexpr uint64_t kMostImage = uint64_t{1} << 31;  // bytes of address space

bool inside(uint64_t at, uint64_t start, uint64_t size) { return at >= start && at - start < size; }

template <class T>
std::optional<T> record(std::span<const uint8_t> bytes, uint64_t at) {
  if (at > bytes.size() || bytes.size() - at < sizeof(T)) return {};
  T t;
  std::memcpy(&t, bytes.data() + at, sizeof t);
  return t;
}

std::span<const uint8_t> part(std::span<const uint8_t> bytes, uint64_t at, uint64_t size) {
  if (at > bytes.size() || size > bytes.size() - at) return {};
  return bytes.subspan(at, size);
}

}  // namespace

analyzer::Result<std::shared_ptr<const ElfView>> ElfView::open(const std::string& path) {
  int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return analyzer::Error{"cannot open " + path + ": " + strerror(errno)};
  struct stat st {};
  void* map = MAP_FAILED;
  // first: to map mx's arena, of many gigabytes, takes a quarter of a millisecond
  char magic[SELFMAG];
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, magic, SELFMAG, 0) == SELFMAG &&
      std::memcmp(magic, ELFMAG, SELFMAG) == 0)
    map = mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (map == MAP_FAILED) return analyzer::Error{path + " is no program file"};
  std::shared_ptr<ElfView> view(new ElfView);
  view->file_ = {static_cast<const uint8_t*>(map), static_cast<size_t>(st.st_size)};
  if (std::string why = view->parse(); !why.empty()) return analyzer::Error{path + " " + why};
  return std::shared_ptr<const ElfView>(std::move(view));
}

ElfView::~ElfView() {
  if (!file_.empty()) munmap(const_cast<uint8_t*>(file_.data()), file_.size());
}

std::string ElfView::parse() {
  auto eh = record<Elf64_Ehdr>(file_, 0);
  if (!eh || std::memcmp(eh->e_ident, ELFMAG, SELFMAG) != 0 ||
      eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_machine != EM_X86_64 ||
      eh->e_phentsize != sizeof(Elf64_Phdr))
    return "is no x86-64 ELF file";
  position_independent_ = eh->e_type == ET_DYN;
  uint64_t dynamic = 0, dynamic_size = 0;
  for (uint32_t i = 0; i < eh->e_phnum; ++i) {
    auto ph = record<Elf64_Phdr>(file_, eh->e_phoff + uint64_t{i} * sizeof(Elf64_Phdr));
    if (!ph) return "has program headers outside the file";
    switch (ph->p_type) {
      case PT_LOAD:
        if (ph->p_memsz == 0) break;
        if (ph->p_filesz > ph->p_memsz ||
            part(file_, ph->p_offset, ph->p_filesz).size() != ph->p_filesz ||
            ph->p_vaddr > kMostImage || ph->p_memsz > kMostImage)
          return "has a segment that lies outside the file";
        loads_.push_back({ph->p_vaddr, ph->p_offset, ph->p_filesz, ph->p_memsz, ph->p_flags});
        break;
      case PT_DYNAMIC:
        dynamic = ph->p_vaddr, dynamic_size = ph->p_filesz;
        break;
      case PT_GNU_EH_FRAME:
        eh_frame_hdr_ = ph->p_vaddr;
        break;
      case PT_GNU_RELRO:
        relro_ = ph->p_vaddr, relro_size_ = ph->p_memsz;
        break;
      case PT_TLS:
        tls_size_ = ph->p_memsz, tls_align_ = ph->p_align;
        break;
      default:
        break;
    }
  }
  if (loads_.empty()) return "has nothing to load";
  std::sort(loads_.begin(), loads_.end(), [](auto& a, auto& b) { return a.address < b.address; });
  for (size_t i = 1; i < loads_.size(); ++i)
    if (loads_[i].address < loads_[i - 1].address + loads_[i - 1].memory_size)
      return "has overlapping segments";
  if (dynamic) parse_dynamic(dynamic, dynamic_size);
  if (eh->e_shentsize == sizeof(Elf64_Shdr))
    parse_sections(eh->e_shoff, eh->e_shnum, eh->e_shstrndx);
  if (!eh_frame_ &&
      eh_frame_hdr_) {  // version, encoding of the pointer (nearly always pcrel sdata4)
    auto b = bytes(eh_frame_hdr_, 8);
    if (b.size() == 8 && b[1] == 0x1b) {
      eh_frame_ =
          eh_frame_hdr_ + 4 + static_cast<uint64_t>(int64_t{*value<int32_t>(eh_frame_hdr_ + 4)});
      eh_frame_end_ = eh_frame_ + bytes_from(eh_frame_).size();
    }
  }
  std::stable_sort(relocations_.begin(), relocations_.end(),
                   [](auto& a, auto& b) { return a.address < b.address; });
  return "";
}

void ElfView::parse_dynamic(uint64_t address, uint64_t size) {
  uint64_t symbols = 0, strings = 0, strings_size = 0;
  std::pair<uint64_t, uint64_t> rela{}, plt{};
  for (uint64_t at = 0; at + sizeof(Elf64_Dyn) <= size; at += sizeof(Elf64_Dyn)) {
    auto d = value<Elf64_Dyn>(address + at);
    if (!d || d->d_tag == DT_NULL) break;
    uint64_t v = d->d_un.d_val;
    switch (d->d_tag) {
      case DT_SYMTAB:
        symbols = v;
        break;
      case DT_STRTAB:
        strings = v;
        break;
      case DT_STRSZ:
        strings_size = v;
        break;
      case DT_RELA:
        rela.first = v;
        break;
      case DT_RELASZ:
        rela.second = v;
        break;
      case DT_JMPREL:
        plt.first = v;
        break;
      case DT_PLTRELSZ:
        plt.second = v;
        break;
      default:
        break;
    }
  }
  dynamic_.names = bytes(strings, strings_size);
  // The table's size is not written anywhere; what indexes it is checked against the end of its
  // segment. Symbols are searched up to the string table, which every linker puts behind it.
  if (symbols) dynamic_.table = bytes_from(symbols);
  if (strings > symbols)
    dynamic_.table =
        part(dynamic_.table, 0, std::min<uint64_t>(strings - symbols, dynamic_.table.size()));
  add_relocations(rela.first, rela.second);
  add_relocations(plt.first, plt.second);
}

void ElfView::add_relocations(uint64_t address, uint64_t size) {
  auto table = bytes(address, size);
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
    auto r = *record<Elf64_Rela>(table, at);
    Relocation x{r.r_offset, static_cast<uint32_t>(ELF64_R_TYPE(r.r_info)), {}, 0, r.r_addend};
    auto sym = record<Elf64_Sym>(dynamic_.table, ELF64_R_SYM(r.r_info) * sizeof(Elf64_Sym));
    if (ELF64_R_SYM(r.r_info) && sym) {
      x.symbol = name(dynamic_, sym->st_name);
      if (sym->st_shndx != SHN_UNDEF) x.symbol_value = sym->st_value;
    }
    relocations_.push_back(x);
  }
}

void ElfView::parse_sections(uint64_t offset, uint32_t count, uint32_t names) {
  auto at = [&](uint32_t i) {
    return record<Elf64_Shdr>(file_, offset + uint64_t{i} * sizeof(Elf64_Shdr));
  };
  auto strings = at(names);
  auto text =
      strings ? part(file_, strings->sh_offset, strings->sh_size) : std::span<const uint8_t>{};
  for (uint32_t i = 0; i < count; ++i) {
    auto s = at(i);
    if (!s) return;
    if (s->sh_type == SHT_SYMTAB) {
      auto linked = at(s->sh_link);
      full_.table = part(file_, s->sh_offset, s->sh_size);
      if (linked) full_.names = part(file_, linked->sh_offset, linked->sh_size);
    }
    std::string_view n = name({{}, text}, s->sh_name);
    if (n == ".eh_frame" && bytes(s->sh_addr, s->sh_size).size() == s->sh_size)
      eh_frame_ = s->sh_addr, eh_frame_end_ = s->sh_addr + s->sh_size;
    // A static program has its relocations (of ifuncs) in a section only.
    if (s->sh_type == SHT_RELA && relocations_.empty() && (s->sh_flags & SHF_ALLOC))
      add_relocations(s->sh_addr, s->sh_size);
  }
}

std::string_view ElfView::name(const Symbols& s, uint32_t at) const {
  if (at >= s.names.size()) return {};
  auto* p = reinterpret_cast<const char*>(s.names.data() + at);
  return {p, strnlen(p, s.names.size() - at)};
}

uint64_t ElfView::first_page() const { return loads_.front().address & ~(kPage - 1); }
uint64_t ElfView::end_page() const {
  return (loads_.back().address + loads_.back().memory_size + kPage - 1) & ~(kPage - 1);
}
uint64_t ElfView::end_page_in_file() const {
  uint64_t end = first_page();
  for (const Segment& s : loads_)
    if (s.file_size) end = std::max(end, s.address + s.file_size);
  return (end + kPage - 1) & ~(kPage - 1);
}

const ElfView::Segment* ElfView::segment_at(uint64_t address) const {
  for (const Segment& s : loads_)
    if (inside(address, s.address, s.memory_size)) return &s;
  return nullptr;
}

bool ElfView::executable(uint64_t address) const {
  const Segment* s = segment_at(address);
  return s && (s->flags & PF_X);
}

bool ElfView::constant(uint64_t address) const {
  const Segment* s = segment_at(address);
  return s && (!(s->flags & PF_W) || inside(address, relro_, relro_size_));
}

std::span<const uint8_t> ElfView::bytes(uint64_t address, size_t size) const {
  return part(bytes_from(address), 0, size);
}

std::span<const uint8_t> ElfView::bytes_from(uint64_t address) const {
  const Segment* s = segment_at(address);
  if (!s || address - s->address >= s->file_size) return {};
  return file_.subspan(s->offset + (address - s->address), s->file_size - (address - s->address));
}

const ElfView::Relocation* ElfView::relocation_at(uint64_t address) const {
  auto it = std::lower_bound(relocations_.begin(), relocations_.end(), address,
                             [](const Relocation& r, uint64_t a) { return r.address < a; });
  return it != relocations_.end() && it->address == address ? &*it : nullptr;
}

std::optional<uint64_t> ElfView::symbol(std::string_view wanted) const {
  for (const Symbols* s : {&dynamic_, &full_})
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= s->table.size(); at += sizeof(Elf64_Sym)) {
      auto sym = *record<Elf64_Sym>(s->table, at);
      if (sym.st_shndx != SHN_UNDEF && sym.st_value && name(*s, sym.st_name) == wanted)
        return sym.st_value;
    }
  return {};
}

std::optional<uint64_t> ElfView::exported(std::string_view wanted, unsigned type) const {
  const auto& table = dynamic_.table;
  for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.size(); at += sizeof(Elf64_Sym)) {
    auto sym = *record<Elf64_Sym>(table, at);
    if (ELF64_ST_TYPE(sym.st_info) == type && sym.st_shndx != SHN_UNDEF &&
        name(dynamic_, sym.st_name) == wanted)
      return sym.st_value;
  }
  return {};
}

std::map<std::string_view, uint64_t> ElfView::thread_locals() const {
  std::map<std::string_view, uint64_t> out;
  for (const Symbols* s : {&full_, &dynamic_})
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= s->table.size(); at += sizeof(Elf64_Sym)) {
      auto sym = *record<Elf64_Sym>(s->table, at);
      if (ELF64_ST_TYPE(sym.st_info) == STT_TLS && sym.st_shndx != SHN_UNDEF)
        out.emplace(name(*s, sym.st_name), sym.st_value);
    }
  return out;
}

bool ElfView::same_thread_locals(const ElfView& other) const {
  return tls_size_ == other.tls_size_ && tls_align_ == other.tls_align_ &&
         thread_locals() == other.thread_locals();
}

std::string ElfView::symbol_at(uint64_t address) const {
  for (const Symbols* s : {&full_, &dynamic_})
    for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= s->table.size(); at += sizeof(Elf64_Sym)) {
      auto sym = *record<Elf64_Sym>(s->table, at);
      unsigned type = ELF64_ST_TYPE(sym.st_info);
      if ((type == STT_FUNC || type == STT_OBJECT || type == STT_GNU_IFUNC) &&
          sym.st_shndx != SHN_UNDEF && inside(address, sym.st_value, sym.st_size))
        return std::string(name(*s, sym.st_name));
    }
  return "";
}

}  // namespace mx::recovery
