// Decodes one function into instructions, and says of each what matters for moving it.
#pragma once
#include <cstdint>
#include <vector>

#include "elf_image.h"

struct cs_insn;

namespace mx::sites {

enum class Kind : uint8_t {
  kPlain,         // goes on to the next instruction
  kSyscall,       // 0f 05
  kCounter,       // rdtsc, rdtscp
  kBranch,        // relative jump or call, conditional or not, loop, jrcxz, xbegin
  kRet,           // c3 or f3 c3, near, without an operand
  kIndirectJump,  // through a register or memory, but for a RIP-relative slot (a tail call)
  kStop,          // never goes on: other returns, a tail call through a slot, int3, hlt, ud2, …
  kTrap,          // goes on, but has to stay: indirect calls, int, sysenter, endbr64, …
  kPadding,       // nop of any length
};

struct Instruction {
  uint64_t address;
  uint8_t size;
  Kind kind;

  uint64_t end() const { return address + size; }
};

/// What moving an instruction to another address takes.
struct Mobility {
  bool movable;         // bytes can be copied, with the fix-up below if `rip_disp_at` is not 0
  bool touches_memory;  // explicitly or by the stack
  uint8_t rip_disp_at;  // where its RIP-relative 32-bit displacement is, 0: it has none
};

/// A Capstone handle (not thread-safe: one Decoder a thread).
class Decoder {
 public:
  Decoder();
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// All instructions of `code`, which stands at `address`. Empty if some byte does not decode, or
  /// the last instruction runs over the end, or a relative branch inside leads between
  /// instructions. Appends the targets of relative branches, wherever they lead, to `targets`.
  std::vector<Instruction> decode(Bytes code, uint64_t address, std::vector<uint64_t>* targets);

  /// Looks closely at one plain instruction.
  Mobility mobility(Bytes instruction, uint64_t address);

 private:
  size_t fast_;    // csh without details: only sizes are wanted
  size_t detail_;  // csh with details
  cs_insn* scratch_;
  cs_insn* detail_scratch_;
};

}  // namespace mx::sites
