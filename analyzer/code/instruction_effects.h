// What one instruction reads and writes of the registers and of its function's frame. Reads are
// never missed; a write is told only where it is certain and complete.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace mx::analyzer {

// Parts of the sixteen registers, four bits each, by DWARF number: byte 0, byte 1, bytes 2-3, bytes
// 4-7.
using RegisterParts = uint64_t;
constexpr RegisterParts parts_of(unsigned dwarf_register, RegisterParts parts = 0xf) {
  return parts << (4 * dwarf_register);
}

// Where the frame is found at an instruction.
struct FrameBase {
  int32_t depth = -1;      // bytes from rsp to the CFA; -1: not known
  int32_t rbp_offset = 0;  // CFA = rbp + this; 0: rbp is a register like any other
};

struct FrameAccess {
  int32_t from = 0, to = 0;  // bytes from the CFA
  bool write = false;        // all of them are written, none is read
};

struct Effects {
  bool known = false;  // false: what it does to the frame cannot be told
  RegisterParts read = 0, written = 0;
  uint32_t vectors_read = 0, vectors_written = 0;  // bit n: xmm n
  std::vector<FrameAccess> frame;
  std::vector<int32_t>
      addresses;  // places of the frame whose address it takes, or that it reads by an index
  RegisterParts may_write = 0;         // of every register that it may write, all parts
  std::optional<uint64_t> loads;       // the number that it puts into the register in `written`
  std::optional<int32_t> loads_place;  // the place of the frame whose address it puts there
  bool computes_address = false;       // it takes an address of the frame that cannot be told
};

// Not thread-safe: one a thread.
class EffectReader {
 public:
  EffectReader();
  ~EffectReader();
  EffectReader(const EffectReader&) = delete;

  // `becomes_base`: the instruction behind this one finds the frame by rbp, and this one may set
  // it.
  Effects of(std::span<const uint8_t> bytes, uint64_t address, const FrameBase& base,
             bool becomes_base);

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace mx::analyzer
