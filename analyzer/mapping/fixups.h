// Lists the address fields in a function's code, with what each must become in the other version's
// process.
#pragma once

#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include "analyzer/analysis.h"
#include "analyzer/mapping/format.h"

namespace mx::mapping {

class FixupMaker {
 public:
  explicit FixupMaker(const analyzer::Analysis& a);
  // Appends the fixups of one function of the old or the new version, sorted by offset.
  void append(bool old_side, uint32_t function, std::vector<Fixup>& out) const;

 private:
  // Where one version has the PLT stub and the GOT slot of each imported symbol.
  struct Imports {
    std::map<std::string, uint64_t> stub, slot;
  };
  static Imports imports_of(const analyzer::Program& p);
  uint64_t counterpart(bool old_side, const analyzer::Meaning& m, uint64_t target) const;
  Fixup fixup(bool old_side, const analyzer::Meaning& m, uint64_t target) const;

  const analyzer::Analysis& a_;
  Imports old_imports_, new_imports_;
  std::unordered_map<uint64_t, uint64_t> data_to_new_, data_to_old_;
};

}  // namespace mx::mapping
