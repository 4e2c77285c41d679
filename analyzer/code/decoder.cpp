#include "analyzer/code/decoder.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <cstring>

#include "analyzer/base/hash.h"

namespace mx::analyzer {
namespace {

bool in_group(const cs_insn& i, uint8_t group) {
  const cs_detail& d = *i.detail;
  return std::find(d.groups, d.groups + d.groups_count, group) != d.groups + d.groups_count;
}

Flow flow_of(const cs_insn& i) {
  const cs_x86& x = i.detail->x86;
  bool direct = x.op_count > 0 && x.operands[0].type == X86_OP_IMM;
  switch (i.id) {
    case X86_INS_CALL:
      return direct ? Flow::call : Flow::indirect_call;
    case X86_INS_LCALL:
      return Flow::indirect_call;
    case X86_INS_JMP:
      return direct ? Flow::jump : Flow::indirect_jump;
    case X86_INS_LJMP:
      return Flow::indirect_jump;
    case X86_INS_RET:
    case X86_INS_RETF:
    case X86_INS_RETFQ:
    case X86_INS_IRET:
    case X86_INS_IRETD:
    case X86_INS_IRETQ:
    case X86_INS_SYSRET:
    case X86_INS_SYSEXIT:
      return Flow::ret;
    case X86_INS_HLT:
    case X86_INS_UD2:
    case X86_INS_INT3:
      return Flow::stop;
    case X86_INS_SYSCALL:
    case X86_INS_SYSENTER:
      return Flow::syscall;
    case X86_INS_INT:
      return x.op_count && x.operands[0].imm == 0x80 ? Flow::syscall : Flow::next;
    case X86_INS_LOOP:
    case X86_INS_LOOPE:
    case X86_INS_LOOPNE:
    case X86_INS_JRCXZ:
    case X86_INS_JECXZ:
    case X86_INS_JCXZ:
    case X86_INS_XBEGIN:
      return Flow::branch;
    default:
      return direct && in_group(i, X86_GRP_JUMP) ? Flow::branch : Flow::next;
  }
}

bool is_padding(const cs_insn& i) {
  return i.id == X86_INS_NOP || i.id == X86_INS_FNOP ||
         (i.id == X86_INS_XCHG && i.size == 2 && i.bytes[0] == 0x66 && i.bytes[1] == 0x90);
}

}  // namespace

uint8_t bytes_accessed(unsigned id, uint8_t said) {
  switch (id) {
    case X86_INS_COMISD:
    case X86_INS_UCOMISD:
    case X86_INS_VCOMISD:
    case X86_INS_VUCOMISD:
    case X86_INS_CVTPS2PD:
    case X86_INS_CVTDQ2PD:
    case X86_INS_MOVDDUP:
    case X86_INS_CVTSD2SS:
    case X86_INS_ROUNDSD:
      return std::min<uint8_t>(said, 8);
    case X86_INS_COMISS:
    case X86_INS_UCOMISS:
    case X86_INS_VCOMISS:
    case X86_INS_VUCOMISS:
    case X86_INS_CVTSS2SD:
    case X86_INS_ROUNDSS:
      return std::min<uint8_t>(said, 4);
    default:
      return said;
  }
}

struct Decoder::Engine {
  csh handle = 0;
  cs_insn* insn = nullptr;
};

Decoder::Decoder(const Image& image) : image_(image), engine_(std::make_unique<Engine>()) {
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &engine_->handle) == CS_ERR_OK) {
    cs_option(engine_->handle, CS_OPT_DETAIL, CS_OPT_ON);
    engine_->insn = cs_malloc(engine_->handle);
  }
}

Decoder::~Decoder() {
  if (engine_->insn) cs_free(engine_->insn, 1);
  if (engine_->handle) cs_close(&engine_->handle);
}

namespace {

// Fills target, ref and the address field of `out`; gives a second address to `extra`.
class Addresses {
 public:
  Addresses(const Image& image, const cs_insn& insn, uint64_t base, Instruction& out)
      : image_(image), insn_(insn), base_(base), out_(out) {}

  void find(std::optional<ExtraRef>& extra) {
    const cs_x86& x = insn_.detail->x86;
    if (out_.flow == Flow::jump || out_.flow == Flow::branch || out_.flow == Flow::call) {
      const cs_x86_op& op = x.operands[0];
      if (op.type != X86_OP_IMM) return;
      set(Ref::code, static_cast<uint64_t>(op.imm), x.encoding.imm_offset, x.encoding.imm_size,
          false);
      if (out_.field_at ==
          0) {  // Capstone leaves it out for some forms: the distance is always last
        out_.field_size = insn_.size <= 3 ? 1 : 4;
        out_.field_at = static_cast<uint8_t>(insn_.size - out_.field_size);
      }
      return;
    }
    for (int i = 0; i < x.op_count; ++i) memory_operand(x, x.operands[i]);
    for (int i = 0; i < x.op_count; ++i) immediate_operand(x, x.operands[i], extra);
  }

 private:
  // What lies further away than 2 GiB is no address of this program.
  void set(Ref ref, uint64_t target, uint8_t at, uint8_t size, bool absolute) {
    int64_t distance = static_cast<int64_t>(target - base_);
    if (distance != static_cast<int32_t>(distance)) return;
    out_.ref = ref;
    out_.distance = static_cast<int32_t>(distance);
    out_.field_at = at;
    out_.field_size = size;
    out_.absolute = absolute;
  }
  void memory_operand(const cs_x86& x, const cs_x86_op& op) {
    if (op.type != X86_OP_MEM || out_.ref != Ref::none || out_.padding) return;
    if (op.mem.segment == X86_REG_FS) thread_operand(x, op);
    if (op.mem.segment == X86_REG_FS || op.mem.segment == X86_REG_GS) return;
    Ref ref = insn_.id == X86_INS_LEA ? Ref::address : Ref::memory;
    if (op.mem.base == X86_REG_RIP) {
      set(ref, insn_.address + insn_.size + static_cast<uint64_t>(op.mem.disp),
          x.encoding.disp_offset, 4, false);
    } else if (!image_.position_independent() && x.encoding.disp_size == 4 && op.mem.disp > 0 &&
               image_.section_at(static_cast<uint64_t>(op.mem.disp))) {
      set(ref, static_cast<uint64_t>(op.mem.disp), x.encoding.disp_offset, 4, true);
    } else {
      return;
    }
    if (ref == Ref::memory) out_.access = std::min<uint8_t>(bytes_accessed(insn_.id, op.size), 127);
  }
  // %fs:-8
  void thread_operand(const cs_x86& x, const cs_x86_op& op) {
    auto block = static_cast<int64_t>(image_.thread_block());
    bool plain = op.mem.base == X86_REG_INVALID && op.mem.index == X86_REG_INVALID;
    auto distance = static_cast<int32_t>(op.mem.disp);
    if (!plain || x.encoding.disp_size != 4 || distance >= 0 || distance < -block) return;
    set(Ref::thread, base_ + static_cast<uint64_t>(int64_t{distance}), x.encoding.disp_offset, 4,
        true);
  }
  void immediate_operand(const cs_x86& x, const cs_x86_op& op, std::optional<ExtraRef>& extra) {
    if (op.type != X86_OP_IMM || image_.position_independent() || x.encoding.imm_size < 4) return;
    uint64_t value = static_cast<uint64_t>(op.imm);
    if (!image_.section_at(value)) return;
    if (out_.ref == Ref::none)
      set(Ref::address, value, x.encoding.imm_offset, x.encoding.imm_size, true);
    else
      extra = ExtraRef{value, x.encoding.imm_offset, x.encoding.imm_size};
  }

  const Image& image_;
  const cs_insn& insn_;
  uint64_t base_;
  Instruction& out_;
};

// The instruction's bytes without its addresses. Short and long branches to the same place are
// equal.
uint32_t token_of(const Instruction& i, const uint8_t* bytes,
                  const std::optional<ExtraRef>& extra) {
  uint8_t clean[16] = {};
  if (i.ref == Ref::code) {
    clean[0] = static_cast<uint8_t>(i.flow);
    uint16_t id = i.id;
    std::memcpy(clean + 1, &id, 2);
    return static_cast<uint32_t>(hash_bytes({clean, 3}));
  }
  std::memcpy(clean, bytes, i.size);
  if (i.field_size)
    std::memset(clean + i.field_at, 0, std::min<size_t>(i.field_size, size_t{16} - i.field_at));
  if (extra)
    std::memset(clean + extra->field_at, 0,
                std::min<size_t>(extra->field_size, 16 - extra->field_at));
  return static_cast<uint32_t>(hash_bytes({clean, i.size}));
}

}  // namespace

uint32_t token_without(std::span<const uint8_t> bytes, size_t at, size_t size) {
  uint8_t clean[16] = {};
  size_t count = std::min<size_t>(bytes.size(), 15);
  std::memcpy(clean, bytes.data(), count);
  std::memset(clean + std::min<size_t>(at, 16), 0, std::min(size, 16 - std::min<size_t>(at, 16)));
  return static_cast<uint32_t>(hash_bytes({clean, count}));
}

std::optional<Instruction> Decoder::decode(std::span<const uint8_t> bytes, uint64_t address,
                                           uint64_t base) {
  extra_.reset();
  Instruction out;
  out.offset = static_cast<uint32_t>(address - base);
  const uint8_t* code = bytes.data();
  size_t size = std::min<size_t>(bytes.size(), 15);
  uint64_t at = address;
  cs_insn* insn = engine_->insn;
  if (insn && size && cs_disasm_iter(engine_->handle, &code, &size, &at, insn)) {
    out.size = static_cast<uint8_t>(insn->size);
    out.id = static_cast<uint16_t>(insn->id);
    out.flow = flow_of(*insn);
    out.padding = is_padding(*insn);
    Addresses(image_, *insn, base, out).find(extra_);
  } else {
    unsigned length = instruction_length(bytes);
    if (length == 0) return {};
    out.size = static_cast<uint8_t>(length);
  }
  out.token = token_of(out, bytes.data(), extra_);
  return out;
}

std::string Decoder::text(std::span<const uint8_t> bytes, uint64_t address) {
  const uint8_t* code = bytes.data();
  size_t size = std::min<size_t>(bytes.size(), 15);
  uint64_t at = address;
  cs_insn* insn = engine_->insn;
  if (insn && size && cs_disasm_iter(engine_->handle, &code, &size, &at, insn))
    return std::string(insn->mnemonic) + (insn->op_str[0] ? " " : "") + insn->op_str;
  return "(bad)";
}

}  // namespace mx::analyzer
