// What an ELF file says about itself, as plain data: no LIEF type passes this line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mx::analyzer {

struct Section {
  std::string name;
  uint32_t type = 0;   // SHT_*
  uint64_t flags = 0;  // SHF_*
  uint64_t address = 0, offset = 0, size = 0;
};

struct Segment {
  uint32_t type = 0, flags = 0;  // PT_*, PF_*
  uint64_t address = 0, offset = 0, file_size = 0, memory_size = 0, alignment = 0;
};

struct Symbol {
  std::string name;
  std::string file;     // of a local symbol: the STT_FILE before it, else empty
  std::string version;  // of a dynamic symbol, else empty
  uint64_t value = 0, size = 0;
  uint8_t type = 0, binding = 0;  // STT_*, STB_*
  uint16_t section = 0;           // SHN_UNDEF (0): defined elsewhere
  bool dynamic = false;
};

struct Relocation {
  uint64_t address = 0;
  int64_t addend = 0;
  uint32_t type = 0;   // R_X86_64_*
  std::string symbol;  // empty: none
};

struct ElfFacts {
  uint16_t type = 0;  // ET_EXEC or ET_DYN
  uint64_t entry = 0;
  std::vector<uint8_t> build_id;
  std::vector<Section> sections;
  std::vector<Segment> segments;
  std::vector<Symbol> symbols;
  std::vector<Relocation> relocations;  // sorted by address, one per address
};

template <class A>
void fields(A& a, Section& s) {
  a& s.name& s.type& s.flags& s.address& s.offset& s.size;
}
template <class A>
void fields(A& a, Segment& s) {
  a& s.type& s.flags& s.address& s.offset& s.file_size& s.memory_size& s.alignment;
}
template <class A>
void fields(A& a, Symbol& s) {
  a& s.name& s.file& s.version& s.value& s.size& s.type& s.binding& s.section& s.dynamic;
}
template <class A>
void fields(A& a, Relocation& r) {
  a& r.address& r.addend& r.type& r.symbol;
}
template <class A>
void fields(A& a, ElfFacts& f) {
  a& f.type& f.entry& f.build_id& f.sections& f.segments& f.symbols& f.relocations;
}

}  // namespace mx::analyzer
