#include "analyzer/code/jump_tables.h"

#include <capstone/x86.h>

#include <algorithm>
#include <cstring>
#include <optional>

namespace mx::analyzer {
namespace {

constexpr uint64_t kMostEntries = 65536;
constexpr uint32_t kSearchBack = 24;

// The immediate of `cmp reg, imm`, from its last bytes.
std::optional<uint64_t> compared_with(const Image& image, const Function& f, const Instruction& i) {
  if (i.id != X86_INS_CMP) return {};
  auto b = image.bytes_at(f.address_of(i), i.size);
  size_t op = 0;
  while (op < b.size() && ((b[op] & 0xf0) == 0x40 || b[op] == 0x66)) ++op;
  if (op >= b.size()) return {};
  if (b[op] == 0x83 || b[op] == 0x3c || b[op] == 0x80) return b.back();
  if ((b[op] == 0x81 || b[op] == 0x3d) && b[0] != 0x66 && b.size() >= 5) {
    uint32_t v;
    std::memcpy(&v, b.data() + b.size() - 4, 4);
    return v;
  }
  return {};
}

// Number of entries from the bounds check before the jump: `cmp r, n; ja default` allows n + 1.
std::optional<uint64_t> bound_before(const Image& image, const Function& f, uint32_t jump) {
  for (uint32_t back = 1; back <= kSearchBack && back <= jump; ++back) {
    const Instruction& i = f.code[jump - back];
    if (i.flow != Flow::branch || jump - back == 0) continue;
    bool above = i.id == X86_INS_JA || i.id == X86_INS_JBE;
    bool above_or_equal = i.id == X86_INS_JAE || i.id == X86_INS_JB;
    if (!above && !above_or_equal) continue;
    for (uint32_t more = 1; more <= 4 && back + more <= jump; ++more)
      if (auto n = compared_with(image, f, f.code[jump - back - more])) return above ? *n + 1 : *n;
  }
  return {};
}

bool acceptable(const Function& f, uint64_t target) { return f.index_at(target) != kNone; }

// Entries of the table at `address` as long as they are good. With a known bound, entries may leave
// the function (to its cold part).
JumpTable read_table(const Image& image, const Function& f, uint32_t jump, uint64_t address,
                     uint8_t entry_size, std::optional<uint64_t> bound) {
  JumpTable t{address, jump, entry_size, {}};
  uint64_t most = std::min(bound.value_or(kMostEntries), kMostEntries);
  size_t inside = 0;
  for (uint64_t k = 0; k < most; ++k) {
    uint64_t target;
    if (entry_size == 4) {
      auto distance = image.i32_at(address + 4 * k);
      if (!distance) break;
      target = address + static_cast<uint64_t>(int64_t{*distance});
    } else {
      const Relocation* r = image.relocation_at(address + 8 * k);
      target = r ? static_cast<uint64_t>(r->addend) : image.u64_at(address + 8 * k).value_or(0);
    }
    bool good = acceptable(f, target);
    if (!good && !(bound && !f.contains(target) && image.executable(target))) break;
    inside += good;
    t.targets.push_back(target);
  }
  if (inside == 0 || t.targets.size() < 2 ||
      (bound && t.targets.size() < *bound && *bound <= kMostEntries && inside < 2))
    t.targets.clear();
  return t;
}

// Register numbers in a ModR/M instruction without memory operand decoding: reg and rm with their
// REX bits.
struct Registers {
  uint8_t opcode = 0, mod = 0, reg = 0, rm = 0;
};
std::optional<Registers> registers_of(const Image& image, const Function& f, const Instruction& i) {
  auto b = image.bytes_at(f.address_of(i), i.size);
  size_t p = 0;
  while (p < b.size() && (b[p] == 0x3e || b[p] == 0xf2)) ++p;
  uint8_t rex = p < b.size() && (b[p] & 0xf0) == 0x40 ? b[p++] : 0;
  if (p + 1 >= b.size()) return {};
  uint8_t m = b[p + 1];
  return Registers{b[p], static_cast<uint8_t>(m >> 6),
                   static_cast<uint8_t>((m >> 3 & 7) | (rex & 4) << 1),
                   static_cast<uint8_t>((m & 7) | (rex & 1) << 3)};
}

// The register that holds the table's address: `add target, base; jmp target`, in either order of
// operands.
std::optional<uint8_t> base_register(const Image& image, const Function& f, uint32_t jump) {
  auto target = registers_of(image, f, f.code[jump]);
  if (!target || target->mod != 3) return {};
  for (uint32_t back = 1; back <= 8 && back <= jump; ++back) {
    const Instruction& i = f.code[jump - back];
    if (i.id != X86_INS_ADD) continue;
    auto add = registers_of(image, f, i);
    if (!add || add->mod != 3 || (add->opcode != 0x01 && add->opcode != 0x03)) continue;
    if (add->reg == target->rm) return add->rm;
    if (add->rm == target->rm) return add->reg;
  }
  return {};
}

std::optional<JumpTable> table_for(const Image& image, const Function& f, uint32_t jump) {
  auto bound = bound_before(image, f, jump);
  auto try_at = [&](const Instruction& i) -> std::optional<JumpTable> {
    uint64_t place = f.target_of(i);
    if (!image.constant(place) || image.executable(place)) return {};
    uint8_t size = i.ref == Ref::memory ? 8 : 4;
    if (i.ref != Ref::address && !(i.ref == Ref::memory && i.absolute)) return {};
    JumpTable t = read_table(image, f, jump, place, size, bound);
    if (t.targets.empty() && bound) t = read_table(image, f, jump, place, size, {});
    if (t.targets.empty()) return {};
    return t;
  };
  if (f.code[jump].ref == Ref::memory)
    return f.code[jump].absolute ? try_at(f.code[jump]) : std::nullopt;
  auto base = base_register(image, f, jump);
  for (bool must_fit : {true, false}) {  // first the address loads into the right register
    auto fits = [&](const Instruction& i) {
      if (!must_fit || i.ref != Ref::address) return !must_fit;
      auto r = registers_of(image, f, i);
      return base && r && r->reg == *base;
    };
    for (uint32_t i = jump; i-- > 0;)
      if (f.code[i].ref != Ref::none && fits(f.code[i]))
        if (auto t = try_at(f.code[i])) return t;
    for (uint32_t i = jump + 1; i < f.code.size(); ++i)
      if (f.code[i].ref != Ref::none && fits(f.code[i]))
        if (auto t = try_at(f.code[i])) return t;
  }
  return {};
}

}  // namespace

void find_jump_tables(const Image& image, Function& f) {
  if (f.kind == FunctionKind::plt) return;
  for (uint32_t i = 0; i < f.code.size(); ++i)
    if (f.code[i].flow == Flow::indirect_jump)
      if (auto t = table_for(image, f, i)) f.tables.push_back(std::move(*t));
}

void cut_overlapping_tables(std::vector<Function>& functions) {
  std::vector<uint64_t> starts;
  for (const Function& f : functions)
    for (const JumpTable& t : f.tables) starts.push_back(t.address);
  std::sort(starts.begin(), starts.end());
  for (Function& f : functions)
    for (JumpTable& t : f.tables) {
      auto next = std::upper_bound(starts.begin(), starts.end(), t.address);
      if (next == starts.end()) continue;
      uint64_t room = (*next - t.address) / t.entry_size;
      if (t.targets.size() > room) t.targets.resize(room);
    }
}

}  // namespace mx::analyzer
