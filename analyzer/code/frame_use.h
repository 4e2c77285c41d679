// What a function's code may still read of its registers and of its frame when a call has returned.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "analyzer/code/instruction_effects.h"
#include "analyzer/code/program.h"

namespace mx::analyzer {

struct FrameRange {
  int32_t from = 0, to = 0;  // bytes from the CFA
};

struct StillRead {
  RegisterParts registers = 0;
  uint32_t vectors = 0;            // bit n: xmm n
  std::vector<FrameRange> frame;   // sorted, not touching
  bool reads(FrameRange r) const;  // any byte of it
  bool reads_register(unsigned dwarf_register) const {
    return registers >> (4 * dwarf_register) & 0xf;
  }
};

// What a register holds wherever the function has put something into it.
struct RegisterConstant {
  bool address = false;  // of something in the program; else a number, unless
  bool place = false;    // it is the address of a place of the frame (bytes from the CFA)
  uint64_t value = 0;
  uint32_t function = kNone, instruction = 0;  // one that loads it: index in functions(), in code
};

class FrameUse {
 public:
  // Follows the function together with its cold parts (or the one that the cold part belongs to).
  FrameUse(const Program& program, uint32_t function);

  // False: some instruction or jump is not understood.
  bool known() const { return known_; }
  // What is read from this return address on before it is written. REQUIRES: known().
  // Null: no instruction of the function starts there.
  const StillRead* after(uint64_t return_address) const;
  // Places of the frame (bytes from the CFA) whose address the code takes, or that it reaches by an
  // index. Sorted.
  const std::vector<int32_t>& addresses() const { return addresses_; }
  // Null: it does not always hold the same.
  const RegisterConstant* constant(unsigned dwarf_register) const {
    auto it = constants_.find(dwarf_register);
    return it == constants_.end() ? nullptr : &it->second;
  }
  // It computes addresses of the frame in other ways too: any array or structure may be meant.
  bool computes_addresses() const { return computes_addresses_; }

 private:
  friend class FrameUseMaker;
  bool known_ = false, computes_addresses_ = false;
  std::vector<int32_t> addresses_;
  std::map<uint64_t, StillRead> after_;
  std::map<unsigned, RegisterConstant> constants_;
};

}  // namespace mx::analyzer
