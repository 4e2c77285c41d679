// A small rewriter for tests: does in this process what the agent does, as plainly as possible.
#pragma once
#include <cstdint>
#include <string>

#include "shim/sites/find_sites.h"

namespace mx::sites {

/// Trampolines near one loaded ELF file. Lives as long as the process: patched code needs it.
class Patcher {
 public:
  /// `file` is loaded at `base` (address of its virtual address 0). Maps room for trampolines
  /// within reach and makes the code of the file writable. Throws std::runtime_error.
  Patcher(const std::string& file, uint64_t base);

  const TableBytes& table() const { return table_; }
  /// Replaces one rewritable site by a jump to a trampoline that counts and makes the system call.
  void patch(const Site& site);
  /// How many system calls went through the trampolines.
  uint64_t calls() const { return calls_; }

 private:
  TableBytes table_;
  uint64_t base_;
  uint8_t* room_ = nullptr;  // where the next trampoline goes
  volatile uint64_t calls_ = 0;
};

/// Load address of the loaded object whose name ends in `suffix` ("" for the program itself).
uint64_t load_base(const std::string& suffix);

}  // namespace mx::sites
