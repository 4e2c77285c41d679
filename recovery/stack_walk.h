// Follows a stack outwards with the call frame information of the modules.
#pragma once

#include <map>

#include "recovery/modules.h"
#include "recovery/transplant.h"

namespace mx::recovery {

/// Code of one version that lies in a process of the other: where, and of which file.
struct BroughtRange {
  uint64_t start = 0, end = 0, bias = 0;
  std::shared_ptr<const ElfView> elf;
  std::string path;
  /// Return addresses of stubs that rebuild a frame →
  /// the return address that such a frame would have.
  std::map<uint64_t, uint64_t> stands_for = {};
};

std::vector<StackFrame> walk_stack(pid_t pid, const Registers& registers, const AddressSpace& space,
                                   const std::vector<BroughtRange>& brought, size_t most);

}  // namespace mx::recovery
