// One version of a program, taken apart: its functions, their instructions, its data objects.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/code/instruction.h"
#include "analyzer/elf/call_frames.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

constexpr uint32_t kNone = 0xffffffff;

enum class FunctionKind : uint8_t {
  normal,
  cold,   // a part that the compiler moved away; belongs to `parent`
  plt,    // a stub that jumps through the GOT
  ifunc,  // picks an implementation when the program is loaded
};

// Where the start of a function was learnt; the first that told it.
enum class Origin : uint8_t {
  symbol,
  dynamic_symbol,
  debug_file,
  frame,
  plt,
  entry,
  init_array,
  reference
};

struct JumpTable {
  uint64_t address = 0;
  uint32_t jump = 0;       // index of the indirect jump in Function::code
  uint8_t entry_size = 4;  // 4: signed distance from the table; 8: address
  std::vector<uint64_t> targets;
};

// A second reference of an instruction.
struct SecondRef {
  uint32_t instruction = 0;  // index in Function::code
  uint64_t target = 0;
  uint8_t field_at = 0, field_size = 0;
};

struct Function {
  uint64_t address = 0, size = 0;
  std::string name;                  // made up (sub_<address>) when !named
  std::vector<std::string> aliases;  // other names at the same address
  std::string file;                  // of a local symbol: its source file, when .symtab tells
  FunctionKind kind = FunctionKind::normal;
  Origin origin = Origin::symbol;
  bool named = false, local = false;
  bool address_taken = false;  // a relocation, a data word or a lea has its address
  bool damaged = false;        // some bytes inside are no instructions
  uint32_t parent = kNone;     // of a cold part: index of its function
  std::vector<Instruction> code;
  std::vector<SecondRef> second_refs;
  std::vector<JumpTable> tables;

  uint64_t end() const { return address + size; }
  bool contains(uint64_t a) const { return a >= address && a - address < size; }
  uint64_t address_of(const Instruction& i) const { return address + i.offset; }
  uint64_t next_of(const Instruction& i) const { return address + i.offset + i.size; }
  // See Ref.
  uint64_t target_of(const Instruction& i) const {
    return address + static_cast<uint64_t>(int64_t{i.distance});
  }
  // Index of the instruction that starts at `a`; kNone if none does.
  uint32_t index_at(uint64_t a) const;
  const JumpTable* table_of(uint32_t instruction) const;
};

// A named variable.
struct DataObject {
  uint64_t address = 0, size = 0;
  std::string name, file;
  std::vector<std::string> aliases;
  bool local = false, thread_local_storage = false;
};

class Program {
 public:
  // Loads and takes apart `path`. `debug_file` (may be empty: then it is searched) adds symbols.
  static Result<std::shared_ptr<const Program>> load(const std::string& path,
                                                     const std::string& debug_file);

  const Image& image() const { return *image_; }
  // The separate debug file in use, or null.
  const Image* debug_image() const { return debug_.get(); }
  const CallFrames& frames() const { return frames_; }
  const std::vector<Function>& functions() const { return functions_; }
  const std::vector<DataObject>& data() const { return data_; }
  // Index of the function that starts at / contains `address`; kNone if there is none.
  uint32_t function_starting_at(uint64_t address) const;
  uint32_t function_containing(uint64_t address) const;
  // The variable that contains `address`, or nullptr.
  const DataObject* data_containing(uint64_t address) const;
  // True when any function has its own name (not only PLT stubs).
  bool has_symbols() const { return has_symbols_; }
  // True when .symtab (here or in the debug file) names local functions too.
  bool has_full_symbols() const { return has_full_symbols_; }

  // Follows PLT stub or GOT slot to the name of what it calls; empty when it is neither.
  std::string import_at(uint64_t address) const;

 private:
  friend class Discovery;
  std::shared_ptr<const Image> image_;
  std::shared_ptr<const Image> debug_;
  CallFrames frames_;
  std::vector<Function> functions_;
  std::vector<DataObject> data_;
  bool has_symbols_ = false, has_full_symbols_ = false;
};

}  // namespace mx::analyzer
