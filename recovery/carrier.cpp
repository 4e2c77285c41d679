#include "recovery/carrier.h"

#include <elf.h>

#include <algorithm>
#include <cstring>

#include "analyzer/base/hex.h"

namespace mx::recovery {
namespace {

using mapping::Fixup;
using mapping::FixupKind;
using mapping::FunctionStatus;
using mapping::Possible;

constexpr uint8_t kInt3 = 0xcc;
constexpr uint64_t kMostTable = 65536;  // entries of a jump table
constexpr uint64_t kMostUnsized =
    4096;  // bytes looked at in read-only data whose size is not known

using analyzer::hex;

bool fits_signed(int64_t v, unsigned size) {
  return size == 8 || (v >= -(int64_t{1} << (8 * size - 1)) && v < (int64_t{1} << (8 * size - 1)));
}

}  // namespace

Carrier::Carrier(const SidedMapping& mapping, const ElfView& own, const ElfView& other,
                 Placement placement, Imports imports)
    : m_(mapping),
      own_(own),
      other_(other),
      at_(placement),
      imports_(std::move(imports)),
      same_thread_locals_(own.same_thread_locals(other)) {}

void Carrier::run() {
  copy_segments();
  auto functions = m_.functions();
  for (size_t i = 0; i < functions.size(); ++i) {
    const auto& f = functions[i];
    if (!SidedMapping::changed(f) || !m_.own_address(f) || !m_.other_address(f)) continue;
    if (stands_apart(f)) apart_.insert(m_.name(f));
    if (f.kind == mapping::Kind::plt || f.kind == mapping::Kind::cold) continue;
    if (f.kind == mapping::Kind::ifunc)
      left_[i] = "it chooses an implementation at start-up";
    else if (m_.possible(f) == Possible::no)
      left_[i] = m_.why_not(f);
    else if (SidedMapping::parameters_differ(f))  // only code that comes along can call it
      left_[i] = "its parameters differ, and nothing that comes along calls it";
    else
      carried_.insert(i);
  }
  close_over_needs();
  for (size_t i : carried_) {
    const Translation& t = translations_[i];
    const auto& f = functions[i];
    auto code = other_.bytes(m_.other_address(f), m_.other_size(f));
    put(m_.other_address(f), code.data(), code.size());
    for (const Field& x : t.fields) put(x.at, &x.value, x.size);
    for (auto [slot, value] : t.slots) put(slot, &value, 8);
    for (auto [stub, size] : t.verbatim)
      put(stub, other_.bytes(stub, size).data(), other_.bytes(stub, size).size());
  }
  for (size_t i : carried_)
    for (auto [at, destination] : translations_[i].stubs) {
      // What comes along is in the copy itself; a jump there
      // to its own entry would come back here for ever.
      const auto* g = m_.function_at_other(at);
      if (g && carried_.count(m_.index_of(*g))) continue;
      uint8_t jump[5] = {0xe9};
      auto distance = static_cast<int32_t>(destination - (at + at_.copy_bias + 5));
      std::memcpy(jump + 1, &distance, 4);
      put(at, jump, sizeof jump);
    }
}

// A function comes along only with everything that it needs; whoever needs a function that cannot
// come stays too.
void Carrier::close_over_needs() {
  auto functions = m_.functions();
  std::map<size_t, std::string> broken;
  std::vector<size_t> work(carried_.begin(), carried_.end());
  std::set<size_t> wanted = carried_;
  while (!work.empty()) {
    size_t i = work.back();
    work.pop_back();
    Translation& t = translations_[i] = translate(functions[i]);
    if (t.why_not.empty()) t.why_not = relocate_constants(t.constants, t.needs);
    if (t.why_not.empty() && stands_apart(functions[i]) &&
        m_.possible(functions[i]) == Possible::no)
      t.why_not = m_.why_not(functions[i]);
    if (!t.why_not.empty()) broken[i] = t.why_not;
    for (size_t need : t.needs)
      if (wanted.insert(need).second) work.push_back(need);
  }
  for (bool again = true; again;) {
    again = false;
    for (size_t i : wanted) {
      if (broken.count(i)) continue;
      for (size_t need : translations_[i].needs)
        if (auto it = broken.find(need); it != broken.end() && need != i) {
          broken[i] =
              "it needs `" + m_.name(functions[need]) + "`, which cannot be carried: " + it->second;
          again = true;
          break;
        }
    }
  }
  std::set<size_t> roots;
  for (size_t i : carried_) {
    if (broken.count(i))
      left_[i] = broken[i];
    else
      roots.insert(i);
  }
  carried_ = roots;
  work.assign(roots.begin(), roots.end());
  while (!work.empty()) {
    size_t i = work.back();
    work.pop_back();
    for (size_t need : translations_[i].needs)
      if (carried_.insert(need).second) work.push_back(need);
  }
  for (size_t i : carried_) left_.erase(i);
}

// Both versions have it, but only code of the same version
// can call it: the copy's callers need the copy's.
bool Carrier::stands_apart(const SidedMapping::Function& f) {
  return SidedMapping::changed(f) && SidedMapping::parameters_differ(f);
}

// Through the PLT or a GOT slot, so that the process's own one would be called.
bool Carrier::imports_what_stands_apart(const Fixup& x) const {
  const auto* stub = other_.executable(x.target) ? m_.function_at_other(x.target) : nullptr;
  const ElfView::Relocation* r = stub ? nullptr : other_.relocation_at(x.target);
  std::string symbol = stub ? m_.name(*stub) : r ? std::string(r->symbol) : "";
  return !symbol.empty() && apart_.count(symbol.substr(0, symbol.find('@')));
}

// Everything that is constant, as in the file; functions are
// blanked, so that nothing runs that was not translated.
void Carrier::copy_segments() {
  image_.assign(other_.end_page_in_file() - other_.first_page(), 0);
  for (const auto& s : other_.segments()) {
    auto bytes = other_.bytes(s.address, s.file_size);
    if (!(s.flags & PF_W)) {
      put(s.address, bytes.data(), bytes.size());
      continue;
    }
    auto [relro, relro_end] = other_.made_read_only();
    uint64_t from = std::max(s.address, relro), to = std::min(s.address + bytes.size(), relro_end);
    if (from < to) put(from, bytes.data() + (from - s.address), to - from);
  }
  for (const auto& f : m_.functions()) {
    uint64_t a = m_.other_address(f);
    if (!a || !other_.executable(a) || a < other_.first_page()) continue;
    uint64_t from = a - other_.first_page();
    if (from > image_.size() || m_.other_size(f) > image_.size() - from) continue;
    std::memset(image_.data() + from, kInt3, m_.other_size(f));
  }
}

bool Carrier::put(uint64_t at, const void* bytes, size_t size) {
  if (at < other_.first_page() || at - other_.first_page() > image_.size() ||
      size > image_.size() - (at - other_.first_page()))
    return false;
  std::memcpy(image_.data() + (at - other_.first_page()), bytes, size);
  return true;
}

Carrier::Translation Carrier::translate(const SidedMapping::Function& f) const {
  Translation t;
  uint64_t start = m_.other_address(f);
  if (!start || other_.bytes(start, m_.other_size(f)).empty()) {
    t.why_not = "its code is not in the file";
    return t;
  }
  if (f.damaged) {
    t.why_not = "some of its bytes are no known instructions";
    return t;
  }
  t.why_not = check_thread_local(f);
  for (const Fixup& x : m_.fixups(f)) {
    if (!t.why_not.empty()) return t;
    if (uint64_t{x.offset} + x.field_size > m_.other_size(f) ||
        (x.field_size != 1 && x.field_size != 2 && x.field_size != 4 && x.field_size != 8)) {
      t.why_not = "the mapping is damaged";
      return t;
    }
    if (x.kind == FixupKind::thread) {
      if (!add_thread_field(f, x, t))
        t.why_not = "it uses a thread-local variable that the other version has not";
      continue;
    }
    uint64_t destination = resolve(f, x, t);
    if (!destination) {
      if (t.why_not.empty())
        t.why_not = "what it refers to at " + hex(x.target) + " has no counterpart";
      return t;
    }
    if (!add_field(f, x, destination, t)) t.why_not = "a reference in it does not reach";
  }
  return t;
}

uint64_t Carrier::resolve(const SidedMapping::Function& f, const Fixup& x, Translation& t) const {
  switch (x.kind) {
    case FixupKind::function:
      return resolve_function(f, x, t);
    case FixupKind::import:
      if (imports_what_stands_apart(x)) {
        t.why_not = "it calls a function of its own library whose parameters differ";
        return 0;
      }
      return x.other ? at_.own_bias + x.other : resolve_import(x, t);
    case FixupKind::data:
      return resolve_data(x, t);
    case FixupKind::constant:
      t.constants.insert(x.target);
      return at_.copy_bias + x.target;
    case FixupKind::table:
      if (x.absolute) add_table(f, x.target, t);
      return at_.copy_bias + x.target;
    case FixupKind::local_got:
      return resolve_slot(x, t);
    case FixupKind::thread:
      break;  // translate() does these
  }
  return 0;
}

bool Carrier::is_branch(const SidedMapping::Function& f, const Fixup& x) const {
  if (x.absolute || x.to_end != x.field_size || x.offset == 0) return false;
  auto code = other_.bytes(m_.other_address(f), m_.other_size(f));
  uint8_t op = code[x.offset - 1];
  if (x.field_size == 1) return op == 0xeb || (op & 0xf0) == 0x70 || (op & 0xfc) == 0xe0;
  if (op == 0xe8 || op == 0xe9) return true;
  return x.offset >= 2 && code[x.offset - 2] == 0x0f && (op & 0xf0) == 0x80;
}

uint64_t Carrier::resolve_function(const SidedMapping::Function& f, const Fixup& x,
                                   Translation& t) const {
  const auto* g = m_.function_at_other(x.target);
  if (!g) {
    t.why_not = "it refers to code at " + hex(x.target) + " that belongs to no function";
    return 0;
  }
  bool start = x.target == m_.other_address(*g);
  bool own = m_.own_address(*g) != 0 && !stands_apart(*g);
  if (start && own && g->kind != mapping::Kind::cold) {
    uint64_t entry = at_.own_bias + m_.own_address(*g);
    if (x.field_size >= 4 || x.absolute) return entry;
    if (!is_branch(f, x)) return 0;
    if (g != &f)
      t.stubs[x.target] = entry;  // a short jump: only the place in the copy is near enough
    return at_.copy_bias + x.target;
  }
  if (g != &f) t.needs.insert(m_.index_of(*g));
  return at_.copy_bias + x.target;
}

uint64_t Carrier::resolve_data(const Fixup& x, Translation& t) const {
  const mapping::Data* d = m_.data_at_other(x.target);
  bool constant = other_.constant(x.target);
  if (d && constant && d->status == mapping::DataStatus::content && m_.other_size(*d)) {
    // Read-only and different: the survivor's contents count. With pointers inside it is a table of
    // functions or the like, whose address may be compared: then the process's own, whose functions
    // lead to the new code.
    const auto& all = other_.relocations();
    auto r =
        std::lower_bound(all.begin(), all.end(), m_.other_address(*d),
                         [](const ElfView::Relocation& a, uint64_t b) { return a.address < b; });
    bool pointers = r != all.end() && r->address < m_.other_address(*d) + m_.other_size(*d);
    if (!pointers) return at_.copy_bias + x.target;
  }
  if (x.other) return at_.own_bias + x.other;
  if (constant) {
    t.constants.insert(x.target);
    return at_.copy_bias + x.target;
  }
  t.why_not = d ? "it uses the variable `" + m_.name(*d) + "`, which is new or has another size"
                : "it uses data at " + hex(x.target) + " that has no counterpart";
  return 0;
}

uint64_t Carrier::resolve_slot(const Fixup& x, Translation& t) const {
  const ElfView::Relocation* r = other_.relocation_at(x.target);
  if (r && (r->type == R_X86_64_TPOFF64 || r->type == R_X86_64_DTPMOD64)) {
    // Without a symbol the addend is an offset in the block, which the mapping translates; where it
    // cannot, it must be the same.
    bool translated =
        r->symbol.empty() && r->type == R_X86_64_TPOFF64 && mapping::is_thread_local(x.other);
    int64_t addend = translated ? static_cast<int64_t>(x.other - mapping::kThreadSpace) : r->addend;
    if (r->symbol.empty() && !translated && !same_thread_locals_) {
      t.why_not =
          "it uses a thread-local variable of its own library, which may lie elsewhere in the "
          "other version";
      return 0;
    }
    for (const auto& own :
         own_.relocations())  // the loader has filled the process's own slot for the same variable
      if (own.type == r->type && own.symbol == r->symbol && own.addend == addend)
        return at_.own_bias + own.address;
    t.why_not = "it uses a thread-local variable that the other version does not use in this way";
    return 0;
  }
  uint64_t means =
      r ? static_cast<uint64_t>(r->addend) : other_.value<uint64_t>(x.target).value_or(0);
  const auto* g = m_.function_at_other(means);
  bool copy_only = g && (!m_.own_address(*g) || stands_apart(*g));
  uint64_t value = x.other && !copy_only ? at_.own_bias + x.other : 0;
  if (copy_only) {
    t.needs.insert(m_.index_of(*g));
    value = at_.copy_bias + means;
  } else if (!value) {
    value = counterpart(means);
    if (other_.constant(means)) t.constants.insert(means);
  }
  if (!value) return 0;
  t.slots[x.target] = value;
  return at_.copy_bias + x.target;
}

// A function of another library that this version does
// not call: the survivor's stub and slot come along.
uint64_t Carrier::resolve_import(const Fixup& x, Translation& t) const {
  const auto* stub = other_.executable(x.target) ? m_.function_at_other(x.target) : nullptr;
  const ElfView::Relocation* r = stub ? nullptr : other_.relocation_at(x.target);
  std::string symbol = stub ? m_.name(*stub) : r ? std::string(r->symbol) : "";
  symbol = symbol.substr(0, symbol.find('@'));
  uint64_t address = symbol.empty() ? 0 : imports_(symbol);
  if (!address) {
    t.why_not = "it uses `" + symbol + "` of another library, which this version does not import";
    return 0;
  }
  if (!stub) {
    t.slots[x.target] = address;
    return at_.copy_bias + x.target;
  }
  for (const auto& slot : other_.relocations()) {
    if (slot.symbol != symbol ||
        (slot.type != R_X86_64_JUMP_SLOT && slot.type != R_X86_64_GLOB_DAT))
      continue;
    t.slots[slot.address] = address;
    t.verbatim[m_.other_address(*stub)] = m_.other_size(*stub);
    return at_.copy_bias + x.target;
  }
  t.why_not = "the slot of `" + symbol + "` is not known";
  return 0;
}

uint64_t Carrier::counterpart(uint64_t address) const {
  if (const auto* g = m_.function_at_other(address); g && other_.executable(address)) {
    if (m_.own_address(*g) && address == m_.other_address(*g))
      return at_.own_bias + m_.own_address(*g);
    return at_.copy_bias + address;
  }
  if (const mapping::Data* d = m_.data_at_other(address);
      d && m_.shared(*d) && own_.segment_at(m_.own_address(*d))) {
    bool differs = d->status == mapping::DataStatus::content && other_.constant(address);
    if (!differs) return at_.own_bias + m_.own_address(*d) + (address - m_.other_address(*d));
  }
  return other_.constant(address) ? at_.copy_bias + address : 0;
}

bool Carrier::add_field(const SidedMapping::Function& f, const Fixup& x, uint64_t destination,
                        Translation& t) const {
  Field field{m_.other_address(f) + x.offset, x.field_size, destination};
  if (x.absolute) {
    // 32-bit addresses are sign-extended as displacements and zero-extended by mov: both hold below
    // 2 GiB only.
    if (x.field_size < 4 || (x.field_size == 4 && destination >> 31)) return false;
  } else {
    uint64_t from = at_.copy_bias + field.at + x.to_end;
    field.value = destination - from;
    if (!fits_signed(static_cast<int64_t>(field.value), x.field_size)) return false;
  }
  t.fields.push_back(field);
  return true;
}

// A table of absolute addresses: its entries move with the code.
void Carrier::add_table(const SidedMapping::Function& f, uint64_t table, Translation& t) const {
  uint64_t size = std::min(m_.next_data_other(table) - table, kMostTable * 8);
  for (uint64_t at = table; at < table + size; at += 8) {
    const ElfView::Relocation* r = other_.relocation_at(at);
    auto v =
        r ? std::optional<uint64_t>(static_cast<uint64_t>(r->addend)) : other_.value<uint64_t>(at);
    if (!v) return;
    const auto* g = m_.function_at_other(*v);
    bool here = g && (g == &f || g->kind == mapping::Kind::cold);
    if (!here) return;
    if (g != &f) t.needs.insert(m_.index_of(*g));
    t.fields.push_back({at, 8, at_.copy_bias + *v});
  }
}

// In a program, thread-local variables are reached by their distance from fs, which is part of the
// instruction. The variable's place in this process's own block counts.
bool Carrier::add_thread_field(const SidedMapping::Function& f, const Fixup& x,
                               Translation& t) const {
  if (!x.other)
    return same_thread_locals_;  // nobody knows the variable, but all of them lie where they did
  uint64_t step = std::max<uint64_t>(own_.tls_align(), 1);
  uint64_t block = (own_.tls_size() + step - 1) / step * step,
           offset = x.other - mapping::kThreadSpace;
  if (offset >= own_.tls_size() || x.field_size != 4) return false;
  t.fields.push_back({m_.other_address(f) + x.offset, 4, offset - block});
  return true;
}

// What the analyser did not take for a distance from fs,
// but may be one, must be the same in both versions.
std::string Carrier::check_thread_local(const SidedMapping::Function& f) const {
  if (other_.tls_size() == 0 || same_thread_locals_) return "";
  auto code = other_.bytes(m_.other_address(f), m_.other_size(f));
  std::set<uint32_t> known;
  for (const Fixup& x : m_.fixups(f))
    if (x.kind == FixupKind::thread) known.insert(x.offset);
  for (size_t i = 0; i + 8 <= code.size(); ++i) {
    if (code[i] != 0x64) continue;
    for (size_t k = i + 2; k <= i + 5 && k + 4 <= code.size(); ++k) {
      if (known.count(static_cast<uint32_t>(k))) break;
      int32_t v;
      std::memcpy(&v, code.data() + k, 4);
      if (v < 0 && v >= -static_cast<int64_t>(other_.tls_size() + other_.tls_align()))
        return "it may use thread-local variables, which lie elsewhere in the other version";
    }
  }
  return "";
}

// Pointers inside read-only data that comes along.
std::string Carrier::relocate_constants(const std::set<uint64_t>& places, std::set<size_t>& needs) {
  for (uint64_t place : places) {
    const mapping::Data* d = m_.data_at_other(place);
    uint64_t start = d ? m_.other_address(*d) : place;
    uint64_t size = d ? m_.other_size(*d) : 0;
    bool sized = size != 0;
    if (!sized) size = std::min(m_.next_data_other(start) - start, kMostUnsized);
    const auto& all = other_.relocations();
    for (auto r = std::lower_bound(
             all.begin(), all.end(), start,
             [](const ElfView::Relocation&a, uint64_t b) { return a.address < b; });
         r != all.end() && r->address < start + size; ++r) {
      bool good = false;
      if (r->type == R_X86_64_RELATIVE)
        good = relocate_word(r->address, static_cast<uint64_t>(r->addend), needs);
      if (r->type == R_X86_64_64 && r->symbol_value)
        good = relocate_word(r->address, r->symbol_value + static_cast<uint64_t>(r->addend), needs);
      if (!good && sized)
        return "a table that it uses points to `" + std::string(r->symbol) + "` at " +
               hex(static_cast<uint64_t>(r->addend)) + ", which has no counterpart";
    }
    if (other_.position_independent() || !sized || size < 8 || other_.executable(start)) continue;
    for (uint64_t at = (start + 7) & ~uint64_t{7}; at + 8 <= start + size; at += 8) {
      auto v = other_.value<uint64_t>(at);
      if (v && *v && other_.segment_at(*v)) relocate_word(at, *v, needs);
    }
  }
  return "";
}

bool Carrier::relocate_word(uint64_t at, uint64_t value, std::set<size_t>& needs) {
  uint64_t there = counterpart(value);
  if (!there) return false;
  const auto* g = other_.executable(value) ? m_.function_at_other(value) : nullptr;
  if (g && stands_apart(*g)) return false;  // who calls it through the table is not known
  if (g && !m_.own_address(*g)) needs.insert(m_.index_of(*g));
  return put(at, &there, 8);
}

}  // namespace mx::recovery
