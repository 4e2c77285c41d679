#include "recovery/imports.h"

#include <elf.h>
#include <sys/uio.h>

namespace mx::recovery {

namespace {

uint64_t word(pid_t pid, uint64_t at) {
  uint64_t value = 0;
  iovec local{&value, 8}, remote{reinterpret_cast<void*>(at), 8};
  return process_vm_readv(pid, &local, 1, &remote, 1, 0) == 8 ? value : 0;
}

/// A function whose implementation is chosen at start-up
/// (strlen): what its library chose for its own calls.
uint64_t chosen_implementation(pid_t pid, const Module& m, std::string_view symbol) {
  auto resolver = m.elf->chooser(symbol);
  if (!resolver) return 0;
  for (const auto& r : m.elf->relocations())
    if (r.type == R_X86_64_IRELATIVE && static_cast<uint64_t>(r.addend) == *resolver)
      return word(pid, m.bias + r.address);
  return 0;
}

}  // namespace

uint64_t find_import(pid_t own_pid, const AddressSpace& own, pid_t other_pid,
                     const AddressSpace& other, const Module& importer, std::string_view symbol) {
  // The loader's choice counts: it knows symbol versions
  // and implementations picked for this processor.
  for (const auto& r : importer.elf->relocations()) {
    if (r.symbol != symbol || (r.type != R_X86_64_JUMP_SLOT && r.type != R_X86_64_GLOB_DAT))
      continue;
    uint64_t value = word(other_pid, importer.bias + r.address);
    const Module* there = other.module_at(value);
    if (!there || there->path == importer.path)
      continue;  // not bound yet: the slot leads back to the stub
    for (const Module& m : own.modules)
      if (m.elf == there->elf) return value - there->bias + m.bias;
  }
  for (const Module& m : own.modules) {
    if (m.main) continue;
    if (auto at = m.elf->function(symbol)) return m.bias + *at;
    if (uint64_t chosen = chosen_implementation(own_pid, m, symbol)) return chosen;
  }
  return 0;
}

}  // namespace mx::recovery
