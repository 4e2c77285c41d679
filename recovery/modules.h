// The files that a process has mapped, with where each lies.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "recovery/elf_view.h"

namespace mx::recovery {

struct Module {
  std::string path;   // as the process sees it
  std::string file;   // how this process opens it
  uint64_t bias = 0;  // address in the process = address in the file + bias
  uint64_t start = 0, end = 0;
  std::shared_ptr<const ElfView> elf;
  bool main = false;  // the program itself
  bool contains(uint64_t address) const { return address >= start && address < end; }
};

/// One range of addresses that is taken.
struct Range {
  uint64_t start = 0, end = 0;
  std::string what;  // path, "[heap]", …
};

struct AddressSpace {
  std::vector<Module> modules;  // the program first, then by address
  std::vector<Range> ranges;    // by address
  const Module* module_at(uint64_t address) const;
};

/// Reads /proc/PID/maps and opens every ELF file in it (kept open between calls). Errors: the
/// process is gone or may not be read. A file that cannot be read any more is left out.
analyzer::Result<AddressSpace> address_space(pid_t pid);

/// Part of the path that stays the same over an update: the file name, up to ".so" and the first
/// number behind it
/// ("/usr/lib/libfoo.so.1.2.3" → "libfoo.so.1").
std::string library_key(const std::string& path);

}  // namespace mx::recovery
