#include "decode.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace mx::sites {
namespace {

/// Opcode and what stands around it, read from bytes that Capstone has accepted.
struct Opcode {
  bool prefixed = false;   // by anything but REX
  bool repeat = false;     // f3
  uint8_t at = 0;          // of the opcode byte behind 0f, if there is one
  bool two_bytes = false;  // 0f xx
  uint8_t code = 0;
  uint8_t modrm = 0;  // the byte behind, if any
};

Opcode read_opcode(Bytes bytes) {
  Opcode result;
  size_t i = 0;
  const auto is_prefix = [](uint8_t byte) {
    return byte == 0x26 || byte == 0x2e || byte == 0x36 || byte == 0x3e || byte == 0x64 ||
           byte == 0x65 || byte == 0x66 || byte == 0x67 || byte == 0xf0 || byte == 0xf2 ||
           byte == 0xf3;
  };
  for (; i < bytes.size() && is_prefix(bytes[i]); ++i) {
    result.prefixed = true;
    result.repeat |= bytes[i] == 0xf3;
  }
  if (i < bytes.size() && (bytes[i] & 0xf0) == 0x40) ++i;  // REX
  if (i + 1 < bytes.size() && bytes[i] == 0x0f) {
    result.two_bytes = true;
    ++i;
  }
  if (i < bytes.size()) result.code = bytes[i];
  if (i + 1 < bytes.size()) result.modrm = bytes[i + 1];
  result.at = static_cast<uint8_t>(i);
  return result;
}

Kind classify_two_bytes(const Opcode& op) {
  switch (op.code) {
    case 0x05:
      return op.prefixed ? Kind::kTrap : Kind::kSyscall;
    case 0x31:
      return op.prefixed ? Kind::kTrap : Kind::kCounter;
    case 0x01:  // rdtscp; the others of this group are for the kernel, mostly
      return op.modrm == 0xf9 && !op.prefixed ? Kind::kCounter : Kind::kPlain;
    case 0x0b:  // ud2
    case 0xb9:  // ud1
    case 0xff:  // ud0
    case 0x07:  // sysret
    case 0x35:  // sysexit
      return Kind::kStop;
    case 0x34:  // sysenter
    case 0xaa:  // rsm
      return Kind::kTrap;
    case 0x1e:  // f3 0f 1e fa: endbr64
      return op.repeat ? Kind::kTrap : Kind::kPadding;
    case 0x1f:
      return Kind::kPadding;
    default:
      return op.code >= 0x80 && op.code <= 0x8f ? Kind::kBranch : Kind::kPlain;
  }
}

Kind classify_ff(const Opcode& op) {
  const unsigned extension = (op.modrm >> 3) & 7;
  const bool slot = (op.modrm & 0xc7) == 0x05;
  if (extension == 2 || extension == 3) return Kind::kTrap;  // call
  if (extension == 4) return slot ? Kind::kStop : Kind::kIndirectJump;
  return extension == 5 ? Kind::kStop : Kind::kPlain;
}

Kind classify(Bytes bytes) {
  const Opcode op = read_opcode(bytes);
  if (op.two_bytes) {
    const Kind kind = classify_two_bytes(op);
    const size_t size = op.code == 0x01 ? 3 : 2;  // more: a REX before it
    const bool replaced = kind == Kind::kSyscall || kind == Kind::kCounter;
    return replaced && bytes.size() != size ? Kind::kTrap : kind;
  }
  if (op.code >= 0x70 && op.code <= 0x7f) return Kind::kBranch;
  if (op.code >= 0xe0 && op.code <= 0xe3) return Kind::kBranch;  // loop, jrcxz
  switch (op.code) {
    case 0xeb:
    case 0xe8:
    case 0xe9:
      return Kind::kBranch;
    case 0xc7:  // xbegin
      return op.modrm == 0xf8 ? Kind::kBranch : Kind::kPlain;
    case 0xc6:  // xabort
      return op.modrm == 0xf8 ? Kind::kTrap : Kind::kPlain;
    case 0xc3:
      return Kind::kRet;
    case 0xc2:
    case 0xca:
    case 0xcb:
    case 0xcf:
    case 0xcc:
    case 0xf4:
      return Kind::kStop;
    case 0xcd:  // int n
    case 0xf1:
    case 0x9a:
      return Kind::kTrap;
    case 0x90:
      return Kind::kPadding;
    case 0xff:
      return classify_ff(op);
    default:
      return Kind::kPlain;
  }
}

/// Where a relative branch leads. REQUIRES: Kind::kBranch.
uint64_t branch_target(const Instruction& instruction, Bytes bytes) {
  const Opcode op = read_opcode(bytes);
  const bool near = op.two_bytes || op.code == 0xe8 || op.code == 0xe9 || op.code == 0xc7;
  if (!near) return instruction.end() + static_cast<int64_t>(static_cast<int8_t>(bytes.back()));
  int32_t displacement = 0;
  if (bytes.size() >= 4) std::memcpy(&displacement, &bytes[bytes.size() - 4], 4);
  return instruction.end() + int64_t{displacement};
}

/// A branch may lead behind a lock prefix (glibc's single-thread short cut), else only to a begin.
bool leads_to_a_begin(const std::vector<Instruction>& instructions, Bytes code, uint64_t target) {
  constexpr uint8_t kLockPrefix = 0xf0;
  const auto next = std::upper_bound(instructions.begin(), instructions.end(), target,
                                     [](uint64_t address, const Instruction& instruction) {
                                       return address < instruction.address;
                                     });
  const Instruction& found = *std::prev(next);
  if (found.address == target) return true;
  return found.address + 1 == target &&
         code[found.address - instructions[0].address] == kLockPrefix;
}

csh open_handle(bool detail) {
  csh handle = 0;
  if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle) != CS_ERR_OK) throw std::bad_alloc();
  cs_option(handle, CS_OPT_DETAIL, detail ? CS_OPT_ON : CS_OPT_OFF);
  return handle;
}

}  // namespace

Decoder::Decoder()
    : fast_(open_handle(false)),
      detail_(open_handle(true)),
      scratch_(cs_malloc(fast_)),
      detail_scratch_(cs_malloc(detail_)) {
  if (!scratch_ || !detail_scratch_) throw std::bad_alloc();
}

Decoder::~Decoder() {
  cs_free(scratch_, 1);
  cs_free(detail_scratch_, 1);
  cs_close(&fast_);
  cs_close(&detail_);
}

std::vector<Instruction> Decoder::decode(Bytes code, uint64_t address,
                                         std::vector<uint64_t>* targets) {
  std::vector<Instruction> instructions;
  std::vector<uint64_t> inside;
  const uint8_t* at = code.data();
  size_t left = code.size();
  uint64_t next = address;
  while (left > 0) {
    const Bytes rest(at, left);
    if (!cs_disasm_iter(fast_, &at, &left, &next, scratch_)) return {};
    const Bytes bytes = rest.first(rest.size() - left);
    const Instruction instruction{address + static_cast<uint64_t>(bytes.data() - code.data()),
                                  static_cast<uint8_t>(bytes.size()), classify(bytes)};
    instructions.push_back(instruction);
    if (instruction.kind != Kind::kBranch) continue;
    const uint64_t target = branch_target(instruction, bytes);
    targets->push_back(target);
    if (target >= address && target < address + code.size()) inside.push_back(target);
  }
  for (const uint64_t target : inside)
    if (!leads_to_a_begin(instructions, code, target)) return {};
  return instructions;
}

Mobility Decoder::mobility(Bytes instruction, uint64_t address) {
  const uint8_t* at = instruction.data();
  size_t left = instruction.size();
  if (!cs_disasm_iter(detail_, &at, &left, &address, detail_scratch_) || left != 0) return {};
  for (const cs_group_type group : {CS_GRP_JUMP, CS_GRP_CALL, CS_GRP_RET, CS_GRP_INT, CS_GRP_IRET,
                                    CS_GRP_PRIVILEGE, CS_GRP_BRANCH_RELATIVE})
    if (cs_insn_group(detail_, detail_scratch_, group)) return {};
  const cs_x86& x86 = detail_scratch_->detail->x86;
  Mobility result{true, false, 0};
  for (uint8_t i = 0; i < x86.op_count; ++i) {
    const cs_x86_op& operand = x86.operands[i];
    if (operand.type != X86_OP_MEM) continue;
    if (operand.mem.base == X86_REG_EIP) return {};  // address-size prefix: no fix-up for it
    if (operand.mem.base == X86_REG_RIP) {
      if (x86.encoding.disp_size != 4 || x86.encoding.disp_offset == 0) return {};
      result.rip_disp_at = x86.encoding.disp_offset;
    }
    const unsigned id = detail_scratch_->id;
    if (id != X86_INS_LEA && id != X86_INS_NOP) result.touches_memory = true;
  }
  const auto reads_stack = [&](unsigned id) {
    return id == X86_INS_PUSH || id == X86_INS_POP || id == X86_INS_PUSHFQ || id == X86_INS_POPFQ ||
           id == X86_INS_LEAVE || id == X86_INS_ENTER;
  };
  result.touches_memory |= reads_stack(detail_scratch_->id);
  return result;
}

}  // namespace mx::sites
