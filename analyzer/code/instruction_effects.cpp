#include "analyzer/code/instruction_effects.h"

#include <capstone/capstone.h>

#include <algorithm>

#include "analyzer/code/decoder.h"

namespace mx::analyzer {
namespace {

constexpr int kRbp = 6, kRsp = 7;

struct RegisterPart {
  int number = -1;  // DWARF's; -1: none of the sixteen
  RegisterParts parts = 0;
};

// In the order of DWARF's numbers.
constexpr x86_reg kWhole[16] = {X86_REG_RAX, X86_REG_RDX, X86_REG_RCX, X86_REG_RBX,
                                X86_REG_RSI, X86_REG_RDI, X86_REG_RBP, X86_REG_RSP,
                                X86_REG_R8,  X86_REG_R9,  X86_REG_R10, X86_REG_R11,
                                X86_REG_R12, X86_REG_R13, X86_REG_R14, X86_REG_R15};
constexpr x86_reg kHalf[16] = {X86_REG_EAX,  X86_REG_EDX,  X86_REG_ECX,  X86_REG_EBX,
                               X86_REG_ESI,  X86_REG_EDI,  X86_REG_EBP,  X86_REG_ESP,
                               X86_REG_R8D,  X86_REG_R9D,  X86_REG_R10D, X86_REG_R11D,
                               X86_REG_R12D, X86_REG_R13D, X86_REG_R14D, X86_REG_R15D};
constexpr x86_reg kWord[16] = {X86_REG_AX,   X86_REG_DX,   X86_REG_CX,   X86_REG_BX,
                               X86_REG_SI,   X86_REG_DI,   X86_REG_BP,   X86_REG_SP,
                               X86_REG_R8W,  X86_REG_R9W,  X86_REG_R10W, X86_REG_R11W,
                               X86_REG_R12W, X86_REG_R13W, X86_REG_R14W, X86_REG_R15W};
constexpr x86_reg kByte[16] = {X86_REG_AL,   X86_REG_DL,   X86_REG_CL,   X86_REG_BL,
                               X86_REG_SIL,  X86_REG_DIL,  X86_REG_BPL,  X86_REG_SPL,
                               X86_REG_R8B,  X86_REG_R9B,  X86_REG_R10B, X86_REG_R11B,
                               X86_REG_R12B, X86_REG_R13B, X86_REG_R14B, X86_REG_R15B};
constexpr x86_reg kSecondByte[4] = {X86_REG_AH, X86_REG_DH, X86_REG_CH, X86_REG_BH};

RegisterPart part_of(unsigned reg) {
  for (int n = 0; n < 16; ++n) {
    if (reg == kWhole[n]) return {n, 0xf};
    if (reg == kHalf[n]) return {n, 0x7};
    if (reg == kWord[n]) return {n, 0x3};
    if (reg == kByte[n]) return {n, 0x1};
    if (n < 4 && reg == kSecondByte[n]) return {n, 0x2};
  }
  return {};
}

int vector_of(unsigned reg) {
  if (reg >= X86_REG_XMM0 && reg <= X86_REG_XMM15) return static_cast<int>(reg - X86_REG_XMM0);
  if (reg >= X86_REG_YMM0 && reg <= X86_REG_YMM15) return static_cast<int>(reg - X86_REG_YMM0);
  if (reg >= X86_REG_ZMM0 && reg <= X86_REG_ZMM15) return static_cast<int>(reg - X86_REG_ZMM0);
  return -1;
}

bool sets_byte(unsigned id) {
  switch (id) {
    case X86_INS_SETA:
    case X86_INS_SETAE:
    case X86_INS_SETB:
    case X86_INS_SETBE:
    case X86_INS_SETE:
    case X86_INS_SETG:
    case X86_INS_SETGE:
    case X86_INS_SETL:
    case X86_INS_SETLE:
    case X86_INS_SETNE:
    case X86_INS_SETNO:
    case X86_INS_SETNP:
    case X86_INS_SETNS:
    case X86_INS_SETO:
    case X86_INS_SETP:
    case X86_INS_SETS:
      return true;
    default:
      return false;
  }
}

// Operand 0 is written whole and not read.
bool moves(unsigned id) {
  switch (id) {
    case X86_INS_MOV:
    case X86_INS_MOVABS:
    case X86_INS_MOVZX:
    case X86_INS_MOVSX:
    case X86_INS_MOVSXD:
    case X86_INS_MOVAPS:
    case X86_INS_MOVAPD:
    case X86_INS_MOVUPS:
    case X86_INS_MOVUPD:
    case X86_INS_MOVDQA:
    case X86_INS_MOVDQU:
    case X86_INS_MOVQ:
    case X86_INS_MOVD:
    case X86_INS_CVTTSD2SI:
    case X86_INS_CVTTSS2SI:
      return true;
    default:
      return sets_byte(id);
  }
}

// Of these, operand 0 is written whole when the other one is in memory, or when it is itself.
bool loads_scalar(unsigned id) { return id == X86_INS_MOVSS || id == X86_INS_MOVSD; }

bool clears(const cs_insn& i) {
  const cs_x86& x = i.detail->x86;
  bool same = x.op_count == 2 && x.operands[0].type == X86_OP_REG &&
              x.operands[1].type == X86_OP_REG && x.operands[0].reg == x.operands[1].reg;
  return same && (i.id == X86_INS_XOR || i.id == X86_INS_SUB || i.id == X86_INS_PXOR ||
                  i.id == X86_INS_XORPS || i.id == X86_INS_XORPD);
}

class Teller {
 public:
  Teller(const cs_insn& insn, const FrameBase& base, bool becomes_base, Effects& out)
      : i_(insn), x_(insn.detail->x86), base_(base), becomes_base_(becomes_base), out_(out) {}

  void run() {
    out_.known = true;
    for (int k = 0; k < i_.detail->regs_read_count; ++k) implicit(i_.detail->regs_read[k]);
    if (i_.id == X86_INS_NOP) return;
    note_writes();
    if (clears(i_)) {
      write_register(x_.operands[0].reg);
      out_.loads = 0;
      return;
    }
    stack_instruction();
    for (int k = 0; k < x_.op_count; ++k) operand(k);
  }

 private:
  bool frame_by_rbp() const { return base_.rbp_offset != 0; }
  void implicit(unsigned reg) {
    RegisterPart r = part_of(reg);
    if (r.number >= 0 && r.number != kRsp && !(r.number == kRbp && frame_by_rbp()))
      out_.read |= parts_of(static_cast<unsigned>(r.number), r.parts);
  }
  void access(int64_t from, int64_t size, bool write) {
    if (from < INT32_MIN || from > INT32_MAX - 4096 || size <= 0 || size > 4096) {
      out_.known = false;
      return;
    }
    out_.frame.push_back({static_cast<int32_t>(from), static_cast<int32_t>(from + size), write});
  }
  void note_writes();
  void stack_instruction();
  void operand(int k);
  void register_operand(int k, bool replaced);
  void memory_operand(int k, bool replaced);
  void base_register(unsigned number, int k, bool replaced);
  void write_register(unsigned reg);
  void read_address(unsigned reg, bool narrow);

  const cs_insn& i_;
  const cs_x86& x_;
  const FrameBase& base_;
  bool becomes_base_;
  Effects& out_;
};

// Rather too many than too few; a register that gets its caller's value back does not count.
void Teller::note_writes() {
  for (int k = 0; k < i_.detail->regs_write_count; ++k) {
    RegisterPart r = part_of(i_.detail->regs_write[k]);
    if (r.number >= 0) out_.may_write |= parts_of(static_cast<unsigned>(r.number));
  }
  bool only_reads = i_.id == X86_INS_CMP || i_.id == X86_INS_TEST || i_.id == X86_INS_PUSH ||
                    i_.id == X86_INS_POP || i_.id == X86_INS_CALL || i_.id == X86_INS_JMP ||
                    i_.id == X86_INS_BT;
  bool both = i_.id == X86_INS_XCHG || i_.id == X86_INS_XADD || i_.id == X86_INS_MULX;
  for (int k = 0; k < x_.op_count && !only_reads; ++k) {
    RegisterPart r =
        x_.operands[k].type == X86_OP_REG ? part_of(x_.operands[k].reg) : RegisterPart{};
    if (r.number >= 0 && (k == 0 || both))
      out_.may_write |= parts_of(static_cast<unsigned>(r.number));
  }
  bool number = (i_.id == X86_INS_MOV || i_.id == X86_INS_MOVABS) && x_.op_count == 2 &&
                x_.operands[0].type == X86_OP_REG && x_.operands[1].type == X86_OP_IMM;
  if (!number) return;
  RegisterParts parts = part_of(x_.operands[0].reg).parts;
  auto value = static_cast<uint64_t>(x_.operands[1].imm);
  if (parts == 0xf) out_.loads = value;
  if (parts == 0x7) out_.loads = value & 0xffffffff;
}

void Teller::stack_instruction() {
  bool push = i_.id == X86_INS_PUSH || i_.id == X86_INS_PUSHFQ;
  bool pop = i_.id == X86_INS_POP || i_.id == X86_INS_POPFQ;
  if ((push || pop) && base_.depth < 0) out_.known = false;
  if (push) access(-int64_t{base_.depth} - 8, 8, true);
  if (pop) access(-int64_t{base_.depth}, 8, false);
  if (i_.id == X86_INS_LEAVE) {
    if (frame_by_rbp())
      access(-int64_t{base_.rbp_offset}, 8, false);
    else
      out_.known = false;
  }
  if (i_.id == X86_INS_ENTER) out_.known = false;
}

void Teller::operand(int k) {
  const cs_x86_op& op = x_.operands[k];
  bool to_memory = x_.op_count > 1 && x_.operands[0].type == X86_OP_MEM;
  bool from_memory = x_.op_count > 1 && x_.operands[1].type == X86_OP_MEM;
  bool replaced = k == 0 && (moves(i_.id) || i_.id == X86_INS_LEA || i_.id == X86_INS_POP ||
                             (i_.id == X86_INS_IMUL && x_.op_count == 3) ||
                             (loads_scalar(i_.id) && (to_memory || from_memory)));
  if (op.type == X86_OP_REG) register_operand(k, replaced);
  if (op.type == X86_OP_MEM) memory_operand(k, replaced && i_.id != X86_INS_POP);
}

void Teller::write_register(unsigned reg) {
  RegisterPart r = part_of(reg);
  // 32-bit results clear the upper half.
  if (r.number >= 0)
    out_.written |= parts_of(static_cast<unsigned>(r.number), r.parts == 0x7 ? 0xf : r.parts);
  if (int v = vector_of(reg); v >= 0) out_.vectors_written |= 1u << v;
}

void Teller::register_operand(int k, bool replaced) {
  unsigned reg = x_.operands[k].reg;
  RegisterPart r = part_of(reg);
  if (r.number == kRsp || (r.number == kRbp && (frame_by_rbp() || becomes_base_))) {
    base_register(static_cast<unsigned>(r.number), k, replaced);
    return;
  }
  if (replaced) {
    write_register(reg);
    return;
  }
  if (r.number >= 0) out_.read |= parts_of(static_cast<unsigned>(r.number), r.parts);
  if (int v = vector_of(reg); v >= 0) out_.vectors_read |= 1u << v;
}

// rsp, or rbp where it tells where the frame is: its value is an address of the frame.
void Teller::base_register(unsigned number, int k, bool replaced) {
  if (replaced) return;  // it gets a new value; where the frame is then, others say
  bool moved = i_.id == X86_INS_MOV && k == 1 && x_.operands[0].type == X86_OP_REG &&
               x_.operands[0].size == 8;
  if (moved) {
    RegisterPart to = part_of(x_.operands[0].reg);
    if (to.number == kRsp || (to.number == kRbp && becomes_base_)) return;
    if (number == kRsp && base_.depth >= 0)
      out_.loads_place = -base_.depth;
    else if (number == kRbp && frame_by_rbp())
      out_.loads_place = -base_.rbp_offset;
    else
      out_.known = false;
    if (out_.loads_place) out_.addresses.push_back(*out_.loads_place);
    return;
  }
  if (number == kRbp && !frame_by_rbp()) {  // saved in the prologue, or a value of the caller's
    out_.read |= parts_of(kRbp);
    return;
  }
  bool adjusts = number == kRsp && k == 0 &&
                 (i_.id == X86_INS_SUB || i_.id == X86_INS_ADD || i_.id == X86_INS_AND ||
                  i_.id == X86_INS_CMP || i_.id == X86_INS_TEST);
  if (adjusts || i_.id == X86_INS_CMP) return;
  if (i_.id == X86_INS_ADD && k == 1)
    out_.computes_address = true;
  else
    out_.known = false;
}

void Teller::read_address(unsigned reg, bool narrow) {
  RegisterPart r = part_of(reg);
  if (r.number < 0 || r.number == kRsp) return;
  out_.read |= parts_of(static_cast<unsigned>(r.number), narrow ? r.parts & 0x7 : r.parts);
}

void Teller::memory_operand(int k, bool replaced) {
  const x86_op_mem& m = x_.operands[k].mem;
  bool lea = i_.id == X86_INS_LEA;
  // A result of 32 bits needs 32 bits of what is added up.
  bool narrow = lea && x_.operands[0].type == X86_OP_REG && x_.operands[0].size <= 4;
  unsigned base = m.base, index = m.index;
  auto of_frame = [&](unsigned reg) {
    return reg == X86_REG_RSP || (reg == X86_REG_RBP && frame_by_rbp());
  };
  if (of_frame(index) && !of_frame(base)) {
    if (m.scale != 1) out_.known = false;
    std::swap(base, index);
  }
  if (of_frame(index)) out_.known = false;
  if (index != X86_REG_INVALID) read_address(index, narrow);
  if (!of_frame(base)) {
    if (base != X86_REG_INVALID) read_address(base, narrow);
    return;
  }
  if (base == X86_REG_RSP && base_.depth < 0) {
    out_.known = out_.known && lea && part_of(x_.operands[0].reg).number == kRsp;
    return;
  }
  int64_t at = m.disp - int64_t{base == X86_REG_RSP ? base_.depth : base_.rbp_offset};
  if (at < INT32_MIN || at > INT32_MAX) {
    out_.known = false;
    return;
  }
  if (lea) {
    int to = part_of(x_.operands[0].reg).number;
    if (to != kRsp && !(to == kRbp && becomes_base_ && !frame_by_rbp())) {
      out_.addresses.push_back(static_cast<int32_t>(at));
      if (index == X86_REG_INVALID && !narrow) out_.loads_place = static_cast<int32_t>(at);
    }
  } else if (index != X86_REG_INVALID) {
    out_.addresses.push_back(static_cast<int32_t>(at));
  } else {
    uint8_t size = bytes_accessed(i_.id, x_.operands[k].size);
    if (i_.id == X86_INS_MOVSS) size = 4;
    if (i_.id == X86_INS_MOVSD) size = 8;
    if (i_.id == X86_INS_CALL || i_.id == X86_INS_JMP) size = 8;
    access(at, size, replaced && k == 0);
  }
}

}  // namespace

struct EffectReader::Engine {
  csh handle = 0;
  cs_insn* insn = nullptr;
};

EffectReader::EffectReader() : engine_(std::make_unique<Engine>()) {
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &engine_->handle) == CS_ERR_OK) {
    cs_option(engine_->handle, CS_OPT_DETAIL, CS_OPT_ON);
    engine_->insn = cs_malloc(engine_->handle);
  }
}

EffectReader::~EffectReader() {
  if (engine_->insn) cs_free(engine_->insn, 1);
  if (engine_->handle) cs_close(&engine_->handle);
}

Effects EffectReader::of(std::span<const uint8_t> bytes, uint64_t address, const FrameBase& base,
                         bool becomes_base) {
  Effects out;
  const uint8_t* code = bytes.data();
  size_t size = std::min<size_t>(bytes.size(), 15);
  cs_insn* insn = engine_->insn;
  if (!insn || !size || !cs_disasm_iter(engine_->handle, &code, &size, &address, insn)) return out;
  Teller(*insn, base, becomes_base, out).run();
  return out;
}

}  // namespace mx::analyzer
