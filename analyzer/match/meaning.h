// What a reference in code means, apart from where the linker put it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analyzer/code/program.h"

namespace mx::analyzer {

enum class MeaningKind : uint8_t {
  none,
  inside,    // a place in the same function
  function,  // the start of another function, or a place in it
  import,    // a symbol of another object, through PLT or GOT; `hash` is its name's
  string,    // constant text; `hash` is its content's
  constant,  // constant bytes of known size; `hash` is their content's
  table,     // a jump table of this function; its targets are compared, not its place
  data,      // a variable or a table; `address` says which
};

struct Meaning {
  MeaningKind kind = MeaningKind::none;
  bool through_got = false;
  uint64_t hash =
      0;  // same in both versions when the content is the same; 0 where content says nothing
  uint64_t address =
      0;  // what is meant in the end (GOT slots and PLT stubs of local functions followed)
};

Meaning meaning_of(const Program& program, const Function& f, const Instruction& i);
// Of the second reference of an instruction: always an address.
Meaning meaning_of_address(const Program& program, const Function& f, uint64_t address);

// A person's word for it: "printf@plt", "\"text\"", "counter+0x8", "0x1234".
std::string describe(const Program& program, const Meaning& m);

// One instruction that matters (no padding), ready to be compared.
struct Step {
  uint32_t key = 0;  // token, with the content of what it refers to where that is known
  uint32_t instruction : 25 = 0;  // index in Function::code
  uint32_t kind_number : 5 = 0;
  uint32_t through_got : 1 = 0;
  uint32_t has_content : 1 = 0;  // the key holds the content of what it refers to
  MeaningKind kind() const { return static_cast<MeaningKind>(kind_number); }
};
static_assert(sizeof(Step) == 8);

// What a step refers to, worked out again: programs have millions of steps, and few are looked at.
Meaning meaning_of(const Program& program, const Function& f, const Step& s);
// Its Meaning::address alone; 0 of an import.
uint64_t place_of(const Program& program, const Function& f, const Step& s);

struct Features {
  std::vector<Step> steps;
  uint64_t shape = 0;  // hash of all keys and of the branches inside; equal for equal functions
  std::vector<uint32_t> callees;  // functions called or jumped to, in code order
};

Features features_of(const Program& program, const Function& f);

}  // namespace mx::analyzer
