// What DWARF tells about a program: functions, lines, types. Read with libdw in a child (see
// run_in_child).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "analyzer/base/result.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

struct TypeMember {
  std::string name, type;  // of an enumerator: type is empty
  int64_t offset = 0;      // bytes from the start; of an enumerator: its value
};

// A structure, union, class or enumeration with a name.
struct TypeInfo {
  std::string name;  // "struct client", "enum state"
  uint64_t size = 0;
  std::vector<TypeMember> members;
};

struct FunctionInfo {
  std::string name, file;
  uint64_t low = 0, high = 0;
  uint32_t line = 0;
  std::vector<uint32_t> types;  // indices of the types it names, sorted
};

struct LineRow {
  uint64_t address = 0;
  uint32_t file = 0, line = 0;  // line 0: end of a sequence
};

struct DebugInfo {
  std::vector<TypeInfo> types;
  std::vector<FunctionInfo> functions;  // sorted by address
  std::vector<std::string> files;
  std::vector<LineRow> lines;  // sorted by address

  const FunctionInfo* function_at(uint64_t address) const;
  // "file.c:12", or empty.
  std::string line_of(uint64_t address) const;
};

struct TypeChange {
  std::string name,
      what;  // what: one phrase ("grew from 16 to 24 bytes; field `next` moved from 8 to 16")
};

// Reads the DWARF of an executable or a separate debug file. Null when there is none. Error: it is
// there but cannot be read.
Result<std::shared_ptr<const DebugInfo>> read_debug_info(const Image& image);

// Types that both have under one name with another layout.
std::vector<TypeChange> compare_types(const DebugInfo& old_info, const DebugInfo& new_info);

}  // namespace mx::analyzer
