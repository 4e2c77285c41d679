#include "analyzer/elf/lief_reader.h"

#include <LIEF/ELF.hpp>
#include <algorithm>
#include <cstring>
#include <stdexcept>

namespace mx::analyzer {
namespace {

Symbol convert(const LIEF::ELF::Symbol& from, bool dynamic) {
  Symbol s;
  s.name = from.name();
  s.value = from.value();
  s.size = from.size();
  s.type = static_cast<uint8_t>(from.type());
  s.binding = static_cast<uint8_t>(from.binding());
  s.section = from.shndx();
  s.dynamic = dynamic;
  if (dynamic && from.has_version() && from.symbol_version().has_auxiliary_version()) {
    s.version = from.symbol_version().symbol_version_auxiliary().name();
  }
  return s;
}

// Sections that are not loaded have symbols too (link-time optimisation names the start of each
// unit in .debug_info); their values are no addresses.
std::vector<bool> loaded_sections(const LIEF::ELF::Binary& binary) {
  constexpr uint64_t kAllocated = 2;  // SHF_ALLOC
  std::vector<bool> loaded;
  for (const auto& section : binary.sections()) loaded.push_back(section.flags() & kAllocated);
  return loaded;
}

void read_symbols(const LIEF::ELF::Binary& binary, ElfFacts& facts) {
  constexpr uint8_t kFile = 4;  // STT_FILE
  std::string file;
  std::vector<bool> loaded = loaded_sections(binary);
  for (const auto& symbol : binary.static_symbols()) {
    Symbol s = convert(symbol, false);
    if (s.section != 0 && s.section < loaded.size() && !loaded[s.section]) continue;
    if (s.type == kFile) {
      file = s.name;
      continue;
    }
    if (s.binding == 0) s.file = file;
    facts.symbols.push_back(std::move(s));
  }
  for (const auto& symbol : binary.dynamic_symbols())
    facts.symbols.push_back(convert(symbol, true));
}

void add_relocation(const LIEF::ELF::Relocation& from, ElfFacts& facts) {
  Relocation r;
  r.address = from.address();
  r.addend = from.addend();
  r.type = from.type();
  if (from.has_symbol()) r.symbol = from.symbol().name();
  facts.relocations.push_back(std::move(r));
}

// A static program has no dynamic section; the choices that it makes at start-up (IRELATIVE) lie in
// a section of their own.
void read_static_relocations(const LIEF::ELF::Binary& binary, ElfFacts& facts) {
  constexpr uint32_t kRela = 4, kAllocated = 2;
  for (const auto& s : binary.sections()) {
    if (static_cast<uint32_t>(s.type()) != kRela || !(s.flags() & kAllocated)) continue;
    auto bytes = s.content();
    for (size_t at = 0; at + 24 <= bytes.size(); at += 24) {
      uint64_t field[3];
      std::memcpy(field, bytes.data() + at, sizeof field);
      Relocation r;
      r.address = field[0];
      r.type = static_cast<uint32_t>(field[1]);
      r.addend = static_cast<int64_t>(field[2]);
      if (field[1] >> 32 == 0) facts.relocations.push_back(std::move(r));
    }
  }
}

void read_relocations(const LIEF::ELF::Binary& binary, ElfFacts& facts) {
  for (const auto& r : binary.dynamic_relocations()) add_relocation(r, facts);
  for (const auto& r : binary.pltgot_relocations()) add_relocation(r, facts);
  if (facts.relocations.empty()) read_static_relocations(binary, facts);
  auto& all = facts.relocations;
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a.address < b.address; });
  auto same = [](const auto& a, const auto& b) { return a.address == b.address; };
  all.erase(std::unique(all.begin(), all.end(), same), all.end());
}

}  // namespace

ElfFacts read_with_lief(const std::string& path) {
  std::unique_ptr<LIEF::ELF::Binary> parsed = LIEF::ELF::Parser::parse(path);
  if (!parsed) throw std::runtime_error("LIEF could not parse " + path);
  const LIEF::ELF::Binary& binary = *parsed;
  ElfFacts facts;
  facts.type = static_cast<uint16_t>(binary.header().file_type());
  facts.entry = binary.header().entrypoint();
  for (const auto& s : binary.sections()) {
    facts.sections.push_back({s.name(), static_cast<uint32_t>(s.type()), s.flags(),
                              s.virtual_address(), s.offset(), s.size()});
  }
  for (const auto& s : binary.segments()) {
    facts.segments.push_back({static_cast<uint32_t>(s.type()), static_cast<uint32_t>(s.flags()),
                              s.virtual_address(), s.file_offset(), s.physical_size(),
                              s.virtual_size(), s.alignment()});
  }
  for (const auto& note : binary.notes()) {
    constexpr uint32_t kBuildId = 3;  // NT_GNU_BUILD_ID
    if (static_cast<uint32_t>(note.type()) == kBuildId && note.name().substr(0, 3) == "GNU") {
      auto description = note.description();
      facts.build_id.assign(description.begin(), description.end());
    }
  }
  read_symbols(binary, facts);
  read_relocations(binary, facts);
  return facts;
}

}  // namespace mx::analyzer
