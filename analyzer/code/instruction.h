// One decoded instruction, kept small: programs have millions.
#pragma once

#include <cstdint>

namespace mx::analyzer {

enum class Flow : uint8_t {
  next,           // goes on with the next instruction
  jump,           // direct jmp
  branch,         // conditional jump, loop, jrcxz
  call,           // direct call
  indirect_jump,  // jmp through a register or memory
  indirect_call,  // call through a register or memory
  ret,
  stop,     // hlt, ud2, int3: never goes on
  syscall,  // syscall, int 0x80, sysenter
};

// What `target` means.
enum class Ref : uint8_t {
  none,
  code,     // direct branch or call
  memory,   // the operand in memory at `target` is read or written (for indirect flow: the slot)
  address,  // the address itself is computed (lea) or loaded (immediate of a fixed-address program)
  thread,   // a thread-local variable, by its distance from the thread pointer
};

// No function of a real program is larger (bytes).
constexpr uint64_t kLargestFunction = (1ULL << 25) - 1;

// Where it leads or points to: Function::target_of.
struct Instruction {
  uint32_t offset : 25 = 0;  // from the start of its function
  uint32_t access : 7 = 0;   // bytes touched at the target (Ref::memory)
  uint16_t id : 11 = 0;      // Capstone's x86_insn; 0 when only the length decoder knew it
  uint16_t size : 4 = 0;     // bytes
  uint16_t padding : 1 = 0;  // nop
  Flow flow : 4 = Flow::next;
  uint8_t field_at : 4 = 0;  // where in the instruction the address field lies
  Ref ref : 3 = Ref::none;
  uint8_t absolute : 1 = 0;    // the field holds the address itself, not a distance from the next
  uint8_t field_size : 4 = 0;  // 1, 2, 4 or 8 bytes; 0 none
  uint32_t token = 0;          // hash of its bytes without address fields and without branch width
  int32_t distance = 0;  // from the start of its function (or the thread pointer) to the target
};
static_assert(sizeof(Instruction) == 16);

inline bool ends_block(Flow f) {
  return f == Flow::jump || f == Flow::branch || f == Flow::indirect_jump || f == Flow::ret ||
         f == Flow::stop;
}
inline bool is_call(Flow f) { return f == Flow::call || f == Flow::indirect_call; }
// True when the instruction after it runs next (for a call: after the return).
inline bool falls_through(Flow f) {
  return f != Flow::jump && f != Flow::indirect_jump && f != Flow::ret && f != Flow::stop;
}

}  // namespace mx::analyzer
