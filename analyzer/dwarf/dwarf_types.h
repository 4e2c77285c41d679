// A file with DWARF, and types as DWARF writes them. Only for files that see libdw.
#pragma once

#include <elfutils/libdw.h>

#include <string>

namespace mx::analyzer {

// A file's DWARF, while this lives. Throws when the file cannot be read, or has none.
class DwarfFile {
 public:
  explicit DwarfFile(const std::string& path);
  ~DwarfFile();
  DwarfFile(const DwarfFile&) = delete;
  DwarfFile& operator=(const DwarfFile&) = delete;
  Dwarf* get() const { return dwarf_; }

 private:
  int fd_;
  Dwarf* dwarf_;
};

// "const char*", "struct item[4]"; the name alone for base types and typedefs.
std::string type_name(Dwarf_Die* type, int depth = 0);
// The type that `die` (a variable, parameter, function or type) names. False: none.
bool type_of(Dwarf_Die* die, Dwarf_Die* type);
// The same without typedefs and qualifiers.
bool plain_type_of(Dwarf_Die* die, Dwarf_Die* type);

}  // namespace mx::analyzer
