#include "analyzer/code/stack_depth.h"

#include <capstone/x86.h>

#include <cstring>

namespace mx::analyzer {
namespace {

constexpr int32_t kUnset = -2;

// What an instruction does to rsp.
struct Effect {
  enum Kind { none, add, from_rbp, unknown } kind = none;
  int32_t value = 0;  // add: bytes the stack grows by; from_rbp: rsp = rbp + value
};

int32_t signed_field(std::span<const uint8_t> b, size_t size) {
  if (size == 1) return static_cast<int8_t>(b.back());
  int32_t v;
  std::memcpy(&v, b.data() + b.size() - 4, 4);
  return v;
}

// Instructions on rsp with a REX.W prefix and ModR/M `m`: sub, add, and, lea, mov.
Effect effect_on_rsp(std::span<const uint8_t> b) {
  if (b.size() < 3 || b[0] != 0x48) return {Effect::unknown, 0};
  uint8_t op = b[1], m = b[2];
  bool imm8 = op == 0x83 && b.size() == 4, imm32 = op == 0x81 && b.size() == 7;
  if ((imm8 || imm32) && m == 0xec) return {Effect::add, signed_field(b, imm8 ? 1 : 4)};
  if ((imm8 || imm32) && m == 0xc4) return {Effect::add, -signed_field(b, imm8 ? 1 : 4)};
  if (op == 0x8d && m == 0x65 && b.size() == 4) return {Effect::from_rbp, signed_field(b, 1)};
  if (op == 0x8d && m == 0xa5 && b.size() == 7) return {Effect::from_rbp, signed_field(b, 4)};
  if (op == 0x8d && m == 0x64 && b.size() == 5 && b[3] == 0x24)
    return {Effect::add, -signed_field(b, 1)};
  if (op == 0x8d && m == 0xa4 && b.size() == 8 && b[3] == 0x24)
    return {Effect::add, -signed_field(b, 4)};
  if (op == 0x89 && m == 0xec) return {Effect::from_rbp, 0};
  return {Effect::unknown, 0};
}

// Does the ModR/M of this instruction name rsp as the register it writes? Looks only at forms
// compilers use.
bool writes_rsp(const Instruction& i, std::span<const uint8_t> b) {
  size_t p = 0;
  while (p < b.size() && (b[p] == 0x66 || b[p] == 0xf2 || b[p] == 0xf3 || b[p] == 0x3e)) ++p;
  uint8_t rex = p < b.size() && (b[p] & 0xf0) == 0x40 ? b[p++] : 0;
  if (p + 1 >= b.size()) return false;
  uint8_t op = b[p], m = b[p + 1];
  bool reg_is_rsp = ((m >> 3) & 7) == 4 && !(rex & 4),
       rm_is_rsp = m >> 6 == 3 && (m & 7) == 4 && !(rex & 1);
  switch (i.id) {
    case X86_INS_CMP:
    case X86_INS_TEST:
      return false;
    case X86_INS_LEA:
      return reg_is_rsp;
    case X86_INS_MOV:
      return op == 0x8b ? reg_is_rsp : op == 0x89 ? rm_is_rsp : false;
    case X86_INS_ADD:
    case X86_INS_SUB:
    case X86_INS_AND:
    case X86_INS_OR:
    case X86_INS_XOR:
      if (!(op & 1) || (op & 7) == 5)
        return false;  // on bytes (register 4 is ah); on rax with an immediate
      if (op == 0x81 || op == 0x83) return rm_is_rsp;
      return (op & 2) ? reg_is_rsp : rm_is_rsp;
    case X86_INS_XCHG:
      return reg_is_rsp || rm_is_rsp;
    default:
      return false;
  }
}

Effect effect_of(const Image& image, const Function& f, const Instruction& i) {
  switch (i.id) {
    case X86_INS_PUSH:
    case X86_INS_PUSHFQ:
      return {Effect::add, 8};
    case X86_INS_POP: {
      auto b = image.bytes_at(f.address_of(i), i.size);
      return !b.empty() && b[0] == 0x5c ? Effect{Effect::unknown, 0} : Effect{Effect::add, -8};
    }
    case X86_INS_POPFQ:
      return {Effect::add, -8};
    case X86_INS_ENTER:
      return {Effect::unknown, 0};
    case X86_INS_LEAVE:
      return {Effect::from_rbp, 8};
    case X86_INS_SUB:
    case X86_INS_ADD:
    case X86_INS_AND:
    case X86_INS_LEA:
    case X86_INS_MOV:
    case X86_INS_OR:
    case X86_INS_XOR:
    case X86_INS_XCHG: {
      auto b = image.bytes_at(f.address_of(i), i.size);
      return writes_rsp(i, b) ? effect_on_rsp(b) : Effect{};
    }
    default:
      return {};
  }
}

class Tracker {
 public:
  Tracker(const Program& p, const Function& f)
      : program_(p), f_(f), depth_(f.code.size(), kUnset) {}

  std::vector<int32_t> run() {
    if (f_.code.empty()) return {};
    if (!program_.frames().row_at(f_.address))
      return std::vector<int32_t>(f_.code.size(), kUnknownDepth);
    auto start = from_frame(0);
    reach(0, start ? *start : at_start());
    while (!work_.empty()) {
      uint32_t k = work_.back();
      work_.pop_back();
      follow(k);
    }
    for (uint32_t k = 0; k < depth_.size(); ++k)
      if (depth_[k] == kUnset) depth_[k] = from_frame(k).value_or(kUnknownDepth);
    return std::move(depth_);
  }

 private:
  const FrameRow* row(uint32_t k) const {
    return program_.frames().row_at(f_.address_of(f_.code[k]));
  }
  std::optional<int32_t> from_frame(uint32_t k) const {
    const FrameRow* r = row(k);
    if (!r || r->cfa_is_expression || r->cfa_register != 7) return {};
    return r->cfa_offset;
  }
  // A function starts with its return address on the
  // stack; a cold part where its function jumps to it.
  int32_t at_start() const {
    if (f_.parent == kNone) return 8;
    const Function& whole = program_.functions()[f_.parent];
    if (whole.parent != kNone) return kUnknownDepth;
    auto depths = stack_depths(program_, whole);
    for (uint32_t k = 0; k < whole.code.size(); ++k) {
      const Instruction& i = whole.code[k];
      if ((i.flow == Flow::jump || i.flow == Flow::branch) && whole.target_of(i) == f_.address)
        return depths[k];
    }
    return kUnknownDepth;
  }
  void reach(uint32_t k, int32_t depth) {
    if (k >= depth_.size()) return;
    if (auto certain = from_frame(k)) depth = *certain;
    if (depth_[k] == depth || depth_[k] == kUnknownDepth) return;
    depth_[k] = depth_[k] == kUnset ? depth : kUnknownDepth;
    work_.push_back(k);
  }
  void follow(uint32_t k) {
    const Instruction& i = f_.code[k];
    Effect e = effect_of(program_.image(), f_, i);
    int32_t after = depth_[k];
    const FrameRow* r = row(k);
    if (e.kind == Effect::unknown)
      after = kUnknownDepth;
    else if (e.kind == Effect::add && after >= 0)
      after += e.value;
    else if (e.kind == Effect::from_rbp)
      after = r && !r->cfa_is_expression && r->cfa_register == 6 ? r->cfa_offset - e.value
                                                                 : kUnknownDepth;
    if (falls_through(i.flow)) reach(k + 1, after);
    if ((i.flow == Flow::jump || i.flow == Flow::branch) && f_.contains(f_.target_of(i)))
      reach(f_.index_at(f_.target_of(i)), after);
    if (const JumpTable* t = i.flow == Flow::indirect_jump ? f_.table_of(k) : nullptr)
      for (uint64_t target : t->targets) reach(f_.index_at(target), after);
  }

  const Program& program_;
  const Function& f_;
  std::vector<int32_t> depth_;
  std::vector<uint32_t> work_;
};

}  // namespace

std::vector<int32_t> stack_depths(const Program& program, const Function& f) {
  return Tracker(program, f).run();
}

}  // namespace mx::analyzer
