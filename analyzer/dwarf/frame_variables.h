// Where the variables of a function are at some of its addresses, and what it is called with, as
// DWARF tells it. Asked for the functions that changed only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/base/result.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

// doubtful: a register that may not be the right one.
// address: of something in the program, in the version whose frame it becomes (never read from
// DWARF).
enum class PlaceKind : uint8_t { unknown, memory, reg, constant, doubtful, address };

constexpr uint8_t kFrameBaseIsCfa = 0xff;

struct VariablePlace {
  PlaceKind kind = PlaceKind::unknown;
  uint8_t base = kFrameBaseIsCfa;  // memory: what `value` counts from, the CFA or a DWARF register
  int64_t value = 0;               // memory: bytes from the base; reg: DWARF number; constant
};

struct FrameVariable {
  std::string name;  // of an inlined function: with that in front ("inner: x")
  std::string type;
  uint32_t size = 0;       // bytes; 0: not known
  bool aggregate = false;  // an array, a structure, a union
};

// One variable in scope at an address.
struct PlacedVariable {
  uint32_t variable = 0;  // index in FunctionVariables::variables
  VariablePlace place;
};

struct VariablesAt {
  uint64_t address = 0;
  std::vector<PlacedVariable> places;  // outer scopes first
};

// How a value is handed over.
struct Passed {
  std::string type;
  uint32_t size = 0;
  uint8_t kind =
      0;  // 'i': an integer or address; 'f': a number with a point; 's': a structure or the like
  int16_t reg =
      -1;  // of a parameter: DWARF number of the register that it comes in, where that is known
  bool operator==(const Passed&) const = default;
};

struct FunctionVariables {
  bool known = false;  // DWARF has this function
  std::vector<FrameVariable> variables;
  std::vector<VariablesAt> at;  // in the order of the request
  // Memory of all variables of all scopes, with the place in each.
  std::vector<PlacedVariable> extents;
  Passed result;
  std::vector<Passed> parameters;
  bool variadic = false;

  // "(int, char*)"
  std::string signature() const;
};

struct VariableRequest {
  uint64_t function = 0;            // its address (of a cold part: the part's own)
  std::vector<uint64_t> addresses;  // where variables are wanted
};

// Answers in the order of the requests. Read in a child. Error: there is no DWARF, or it cannot be
// read.
Result<std::vector<FunctionVariables>> read_frame_variables(
    const Image& image, const std::vector<VariableRequest>& requests);

}  // namespace mx::analyzer
