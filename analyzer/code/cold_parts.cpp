// After disassembly: whose address is taken, and which functions are only cold parts of others.
#include <map>
#include <set>

#include "analyzer/code/discovery.h"

namespace mx::analyzer {

void Discovery::mark_address_taken() {
  auto mark = [&](uint64_t target) {
    uint32_t f = program_.function_starting_at(target);
    if (f != kNone) program_.functions_[f].address_taken = true;
  };
  for (const Relocation& r : image_.facts().relocations)
    if (r.symbol.empty()) mark(static_cast<uint64_t>(r.addend));
  for (const Function& f : program_.functions_) {
    for (const Instruction& i : f.code)
      if (i.ref == Ref::address) mark(f.target_of(i));
    for (const SecondRef& r : f.second_refs) mark(r.target);
  }
  if (image_.position_independent()) return;
  for (const Section& s :
       image_.facts().sections) {  // fixed addresses stand in the data as they are
    if (s.name != ".data" && s.name != ".data.rel.ro" && s.name != ".rodata" &&
        s.name.find("_array") == std::string::npos)
      continue;
    for (uint64_t at = (s.address + 7) & ~7ULL; at + 8 <= s.address + s.size; at += 8)
      if (auto v = image_.u64_at(at); v && image_.executable(*v)) mark(*v);
  }
}

// A cold part is entered by jumps of one function only. Signs: its name; a frame that does not
// start fresh; a conditional branch to its start; a neighbour of other cold parts (the compiler
// puts them together).
void Discovery::find_cold_parts() {
  auto& all = program_.functions_;
  std::map<uint32_t, std::set<uint32_t>> jumpers;
  std::set<uint32_t> conditional, called;
  for (uint32_t f = 0; f < all.size(); ++f) {
    for (const Instruction& i : all[f].code) {
      if (i.ref != Ref::code) continue;
      uint32_t t = program_.function_containing(all[f].target_of(i));
      if (t == kNone || t == f) continue;
      if (i.flow == Flow::call)
        called.insert(t);
      else
        jumpers[t].insert(f);
      if (i.flow == Flow::branch) conditional.insert(t);
    }
    for (const JumpTable& t : all[f].tables)
      for (uint64_t target : t.targets) {
        uint32_t g = program_.function_containing(target);
        if (g != kNone && g != f) jumpers[g].insert(f), conditional.insert(g);
      }
  }
  auto is_cold = [&](uint32_t f) { return f < all.size() && all[f].kind == FunctionKind::cold; };
  auto candidate = [&](uint32_t f) {
    return all[f].origin == Origin::frame && all[f].kind == FunctionKind::normal && !all[f].named &&
           !called.count(f) && !all[f].address_taken && jumpers.count(f) &&
           jumpers[f].size() == 1 && !is_cold(*jumpers[f].begin());
  };
  for (uint32_t f = 0; f < all.size(); ++f)
    if (candidate(f) && conditional.count(f) &&
        (is_cold(f - 1) || is_cold(f + 1) || all[f].code.back().flow == Flow::call))
      all[f].kind = FunctionKind::cold;
  for (bool again = true; again;) {
    again = false;
    for (uint32_t f = 0; f < all.size(); ++f)
      if (candidate(f) && (is_cold(f - 1) || is_cold(f + 1)) &&
          (conditional.count(f) || (is_cold(f - 1) && is_cold(f + 1)))) {
        all[f].kind = FunctionKind::cold;
        again = true;
      }
  }
  for (uint32_t f = 0; f < all.size(); ++f) {
    if (all[f].kind != FunctionKind::cold) continue;
    auto it = jumpers.find(f);
    if (it == jumpers.end()) continue;
    for (uint32_t p : it->second)
      if (all[p].kind != FunctionKind::cold) {
        all[f].parent = p;
        if (!all[f].named) all[f].name = all[p].name + ".cold";
        break;
      }
  }
}

}  // namespace mx::analyzer
