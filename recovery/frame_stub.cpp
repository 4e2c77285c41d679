#include "recovery/frame_stub.h"

#include <algorithm>
#include <cstring>

namespace mx::recovery {
namespace {

using mapping::Move;
using mapping::Place;

constexpr int kRcx = 1, kRbp = 5, kRsp = 4, kR11 = 11;  // numbers of the processor
constexpr int kDwarfRbp = 6, kDwarfRsp = 7, kDwarfReturn = 16;
constexpr int kKept[] = {3, 6, 12, 13, 14, 15};  // DWARF numbers of what calls keep
constexpr int32_t kDeepest = 1 << 20;
constexpr int32_t kMostArguments = 4096;  // bytes above the CFA
constexpr size_t kMostMoves = 128;
constexpr size_t kBytesOfMove = 40, kBytesOfRest = 64;

bool kept(int64_t r) { return std::find(std::begin(kKept), std::end(kKept), r) != std::end(kKept); }

// DWARF's number → the processor's; only of kept registers.
int machine_number(int64_t r) { return r == kDwarfRbp ? kRbp : static_cast<int>(r); }

bool saves(const mapping::Frame& f, int r) { return f.saved >> r & 1; }

class Code {
 public:
  void bytes(std::initializer_list<int> list) {
    for (int b : list) out_.push_back(static_cast<uint8_t>(b));
  }
  template <class T>
  void number(T v) {
    uint8_t raw[sizeof v];
    std::memcpy(raw, &v, sizeof v);
    out_.insert(out_.end(), raw, raw + sizeof v);
  }
  /// op with register `reg` and memory [base + displacement].
  void memory(int size, int opcode, int reg, int base, int32_t displacement,
              bool two_bytes = false) {
    if (size == 2 && !two_bytes) bytes({0x66});
    int rex = (size == 8 ? 0x48 : 0x40) | (reg >> 3) << 2 | base >> 3;
    bytes({rex});
    if (two_bytes) bytes({0x0f});
    bytes({opcode, 0x80 | (reg & 7) << 3 | (base & 7)});
    if ((base & 7) == 4) bytes({0x24});
    number(displacement);
  }
  /// Loads with zeros in front.
  void load(int size, int reg, int base, int32_t displacement) {
    if (size >= 4)
      memory(size, 0x8b, reg, base, displacement);
    else
      memory(size, size == 2 ? 0xb7 : 0xb6, reg, base, displacement, true);
  }
  void store(int size, int reg, int base, int32_t displacement) {
    memory(size, size == 1 ? 0x88 : 0x89, reg, base, displacement);
  }
  void lea(int reg, int base, int32_t displacement) { memory(8, 0x8d, reg, base, displacement); }
  std::vector<uint8_t> take() { return std::move(out_); }

 private:
  std::vector<uint8_t> out_;
};

class Maker {
 public:
  explicit Maker(const StubPlan& plan) : p_(plan) {}

  std::optional<std::vector<uint8_t>> run() {
    if (!sound(p_.from) || !sound(p_.to) || p_.moves.size() > kMostMoves) return {};
    for (const Move& m : p_.moves)
      if (!add(m)) return {};
    for (int r : kKept) carry_saved(r);
    write();
    return code_.take();
  }

 private:
  static bool sound(const FrameShape& f) {
    if (!f.rule || f.rule->expression || f.depth < 8 || f.depth > kDeepest || f.depth % 8)
      return false;
    if (f.rule->cfa_register != kDwarfRsp && f.rule->cfa_register != kDwarfRbp) return false;
    if (f.rule->saved >> 17) return false;
    for (int r = 0; r <= kDwarfReturn; ++r) {
      if (!saves(*f.rule, r)) continue;
      int32_t at = f.rule->where[r];
      if (r == kDwarfReturn ? at != -8 : !kept(r) || at % 8 || at >= -8 || at < -f.depth)
        return false;
    }
    bool by_rbp = f.rule->cfa_register == kDwarfRbp;
    return saves(*f.rule, kDwarfReturn) &&
           (!by_rbp || (saves(*f.rule, kDwarfRbp) && f.rule->cfa_offset >= 16 &&
                        f.rule->cfa_offset <= f.depth));
  }
  static bool inside(const FrameShape& f, int64_t at, int size) {
    if (at < -f.depth || at > kMostArguments - size) return false;
    for (int r = 0; r <= kDwarfReturn; ++r)
      if (saves(*f.rule, r) && at < f.rule->where[r] + 8 && f.rule->where[r] < at + size)
        return false;
    return true;
  }
  bool holds_value(const FrameShape& f, int64_t r) const {
    return kept(r) && saves(*f.rule, static_cast<int>(r)) &&
           !(r == kDwarfRbp && f.rule->cfa_register == kDwarfRbp);
  }
  bool add(const Move& m);
  void carry_saved(int r);
  void write();
  int32_t displacement(int64_t at) const { return static_cast<int32_t>(at) + p_.from.depth; }

  const StubPlan& p_;
  std::vector<Move> all_;
  Code code_;
};

bool Maker::add(const Move& m) {
  if (m.size != 1 && m.size != 2 && m.size != 4 && m.size != 8) return false;
  Move x = m;
  switch (m.from_place) {
    case Place::frame:
      if (!inside(p_.from, m.from, m.size)) return false;
      break;
    case Place::reg:
      if (!holds_value(p_.from, m.from)) return false;
      break;
    case Place::constant:
      break;
    case Place::address:
      x.from = static_cast<int64_t>(p_.address ? p_.address(static_cast<uint64_t>(m.from)) : 0);
      if (!x.from) return false;
      break;
    default:
      return false;
  }
  bool good = m.to_place == Place::frame ? inside(p_.to, m.to, m.size)
                                         : m.to_place == Place::reg && holds_value(p_.to, m.to);
  if (good) all_.push_back(x);
  return good;
}

// What the caller had in a register must be where the other version will take it from.
void Maker::carry_saved(int r) {
  const mapping::Frame &own = *p_.from.rule, &other = *p_.to.rule;
  Move m;
  m.from_place = saves(own, r) ? Place::frame : Place::reg;
  m.from = saves(own, r) ? own.where[r] : r;
  m.to_place = saves(other, r) ? Place::frame : Place::reg;
  m.to = saves(other, r) ? other.where[r] : r;
  if (m.from_place != m.to_place || m.from != m.to) all_.push_back(m);
}

// All sources are read before anything is written. The scratch lies below both frames, and rsp
// below the scratch: a signal handler may run at any instruction.
void Maker::write() {
  auto slots = static_cast<int32_t>(8 * all_.size());
  int32_t lowest = std::min(0, p_.from.depth - p_.to.depth);
  code_.bytes({0x49, 0x89, 0xe3});  // mov %rsp,%r11
  code_.lea(kRsp, kR11, lowest - slots);
  for (size_t k = 0; k < all_.size(); ++k) {
    const Move& m = all_[k];
    auto slot = static_cast<int32_t>(8 * k);
    if (m.from_place == Place::reg) {
      code_.store(8, machine_number(m.from), kRsp, slot);
      continue;
    }
    if (m.from_place == Place::frame) {
      code_.load(m.size, kRcx, kR11, displacement(m.from));
    } else {
      code_.bytes({0x48, 0xb9});  // mov $number,%rcx
      code_.number(m.from);
    }
    code_.store(8, kRcx, kRsp, slot);
  }
  for (bool to_frame : {true, false})
    for (size_t k = 0; k < all_.size(); ++k) {
      const Move& m = all_[k];
      auto slot = static_cast<int32_t>(8 * k);
      if ((m.to_place == Place::frame) != to_frame) continue;
      code_.load(m.size, to_frame ? kRcx : machine_number(m.to), kRsp, slot);
      if (to_frame) code_.store(m.size, kRcx, kR11, displacement(m.to));
    }
  if (p_.to.rule->cfa_register == kDwarfRbp)
    code_.lea(kRbp, kR11, p_.from.depth - p_.to.rule->cfa_offset);
  code_.lea(kRsp, kR11, p_.from.depth - p_.to.depth);
  code_.bytes({0xff, 0x25, 0, 0, 0, 0});  // jmp *(behind it)
  code_.number(p_.leads_to);
}

}  // namespace

size_t most_stub_bytes(size_t moves) {
  return kBytesOfRest + kBytesOfMove * (moves + std::size(kKept));
}

std::optional<std::vector<uint8_t>> make_stub(const StubPlan& plan) { return Maker(plan).run(); }

}  // namespace mx::recovery
