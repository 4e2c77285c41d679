#include "analyzer/dwarf/variable_reader.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <cstring>
#include <map>

#include "analyzer/dwarf/dwarf_types.h"

namespace mx::analyzer {
namespace {

constexpr int kDeepest = 64;             // nesting of scopes
constexpr size_t kMostVariables = 4096;  // of one function

class Reader {
 public:
  Reader(Dwarf* dwarf, const std::vector<VariableRequest>& requests)
      : dwarf_(dwarf), requests_(requests), answers_(requests.size()) {
    for (size_t k = 0; k < requests.size(); ++k) wanted_.emplace(requests[k].function, k);
  }

  std::vector<FunctionVariables> run() {
    Dwarf_CU* cu = nullptr;
    Dwarf_Die unit;
    while (dwarf_get_units(dwarf_, cu, &cu, nullptr, nullptr, &unit, nullptr) == 0) {
      Dwarf_Attribute a;
      const char* producer = dwarf_attr(&unit, DW_AT_producer, &a) ? dwarf_formstring(&a) : nullptr;
      gcc_ = !producer || std::strncmp(producer, "GNU ", 4) == 0;
      const char* level = producer ? std::strstr(producer, " -O") : nullptr;
      optimised_ = level && level[3] != '0';
      children(&unit, 0);
    }
    return std::move(answers_);
  }

 private:
  void children(Dwarf_Die* parent, int depth);
  void function(Dwarf_Die* die);
  void answer(Dwarf_Die* die, const VariableRequest& request, FunctionVariables& f);
  void scope(Dwarf_Die* die, uint64_t address, const std::string& inlined, int depth,
             FunctionVariables& f, std::vector<PlacedVariable>& out);
  void variable(Dwarf_Die* die, const uint64_t* address, const std::string& inlined,
                FunctionVariables& f, std::vector<PlacedVariable>& out);
  VariablePlace place(Dwarf_Die* die, const uint64_t* address) const;
  VariablePlace from_operations(const Dwarf_Op* ops, size_t count) const;
  void set_frame_base(Dwarf_Die* die);
  static bool has_lists(Dwarf_Die* die, int depth = 0);
  void signature(Dwarf_Die* die, FunctionVariables& f) const;
  static Passed passed(Dwarf_Die* die);

  Dwarf* dwarf_;
  const std::vector<VariableRequest>& requests_;
  std::vector<FunctionVariables> answers_;
  std::multimap<uint64_t, size_t> wanted_;  // address of a function → its request
  bool gcc_ = false, optimised_ = false;    // the unit at hand
  bool believe_one_register_ = true;
  bool frame_base_known_ = false;
  uint8_t frame_base_ = kFrameBaseIsCfa;
  std::map<std::string, uint32_t> names_;  // of the function at hand
};

void Reader::children(Dwarf_Die* parent, int depth) {
  Dwarf_Die die;
  if (depth > kDeepest || dwarf_child(parent, &die) != 0) return;
  do {
    int tag = dwarf_tag(&die);
    if (tag == DW_TAG_subprogram)
      function(&die);
    else if (tag == DW_TAG_namespace || tag == DW_TAG_module)
      children(&die, depth + 1);
  } while (dwarf_siblingof(&die, &die) == 0);
}

void Reader::function(Dwarf_Die* die) {
  if (dwarf_hasattr(die, DW_AT_declaration)) return;
  Dwarf_Addr base, low = 0, high = 0;
  ptrdiff_t at = 0;
  while ((at = dwarf_ranges(die, at, &base, &low, &high)) > 0) {
    if (low == 0) continue;
    for (auto it = wanted_.lower_bound(low); it != wanted_.end() && it->first < high; ++it)
      if (FunctionVariables& f = answers_[it->second]; !f.known)
        answer(die, requests_[it->second], f);
  }
}

void Reader::answer(Dwarf_Die* die, const VariableRequest& request, FunctionVariables& f) {
  f.known = true;
  names_.clear();
  set_frame_base(die);
  believe_one_register_ = !(gcc_ && (optimised_ || has_lists(die)));
  signature(die, f);
  for (uint64_t address : request.addresses) {
    f.at.push_back({address, {}});
    scope(die, address, "", 0, f, f.at.back().places);
  }
  scope(die, 0, "", 0, f, f.extents);
}

// Does any variable change its place? Then the code is optimised.
bool Reader::has_lists(Dwarf_Die* die, int depth) {
  Dwarf_Die child;
  if (depth > kDeepest || dwarf_child(die, &child) != 0) return false;
  do {
    int tag = dwarf_tag(&child);
    Dwarf_Attribute a;
    if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable) {
      if (dwarf_attr(&child, DW_AT_location, &a) && dwarf_whatform(&a) != DW_FORM_exprloc)
        return true;
    } else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) {
      if (has_lists(&child, depth + 1)) return true;
    }
  } while (dwarf_siblingof(&child, &child) == 0);
  return false;
}

void Reader::set_frame_base(Dwarf_Die* die) {
  Dwarf_Attribute a;
  Dwarf_Op* ops = nullptr;
  size_t count = 0;
  frame_base_known_ = false;
  if (!dwarf_attr_integrate(die, DW_AT_frame_base, &a) ||
      dwarf_getlocation(&a, &ops, &count) != 0 || count != 1)
    return;
  frame_base_known_ = true;
  if (ops[0].atom == DW_OP_call_frame_cfa)
    frame_base_ = kFrameBaseIsCfa;
  else if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg15)
    frame_base_ = static_cast<uint8_t>(ops[0].atom - DW_OP_reg0);
  else
    frame_base_known_ = false;
}

// The variables of a scope and of those inside it: that hold at `address`, or (0) all that lie in
// memory.
void Reader::scope(Dwarf_Die* die, uint64_t address, const std::string& inlined, int depth,
                   FunctionVariables& f, std::vector<PlacedVariable>& out) {
  Dwarf_Die child;
  if (depth > kDeepest || dwarf_child(die, &child) != 0) return;
  do {
    int tag = dwarf_tag(&child);
    if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable)
      variable(&child, address ? &address : nullptr, inlined, f, out);
  } while (dwarf_siblingof(&child, &child) == 0);
  if (dwarf_child(die, &child) != 0) return;
  do {
    int tag = dwarf_tag(&child);
    if (tag != DW_TAG_lexical_block && tag != DW_TAG_inlined_subroutine) continue;
    if (address && dwarf_haspc(&child, address) <= 0) continue;
    const char* name = tag == DW_TAG_inlined_subroutine ? dwarf_diename(&child) : nullptr;
    std::string path =
        tag == DW_TAG_inlined_subroutine ? inlined + (name ? name : "?") + ": " : inlined;
    scope(&child, address, path, depth + 1, f, out);
  } while (dwarf_siblingof(&child, &child) == 0);
}

void Reader::variable(Dwarf_Die* die, const uint64_t* address, const std::string& inlined,
                      FunctionVariables& f, std::vector<PlacedVariable>& out) {
  const char* name = dwarf_diename(die);
  if (!name || dwarf_hasattr(die, DW_AT_declaration)) return;
  Dwarf_Attribute a;
  Dwarf_Op* ops = nullptr;
  size_t count = 0;
  if (dwarf_attr_integrate(die, DW_AT_location, &a) && dwarf_whatform(&a) == DW_FORM_exprloc &&
      dwarf_getlocation(&a, &ops, &count) == 0 && count > 0 &&
      (ops[0].atom == DW_OP_addr || ops[0].atom == DW_OP_addrx || ops[0].atom == DW_OP_const8u ||
       ops[0].atom == DW_OP_const4u))
    return;  // a static or thread-local variable
  PlacedVariable p;
  p.place = place(die, address);
  if (!address && p.place.kind != PlaceKind::memory) return;
  FrameVariable v;
  v.name = inlined + name;
  Dwarf_Die type;
  if (type_of(die, &type)) {
    Dwarf_Word size = 0;
    v.type = type_name(&type);
    if (dwarf_aggregate_size(&type, &size) == 0 && size <= (1u << 24))
      v.size = static_cast<uint32_t>(size);
  }
  if (plain_type_of(die, &type)) {
    int tag = dwarf_tag(&type);
    v.aggregate = tag == DW_TAG_array_type || tag == DW_TAG_structure_type ||
                  tag == DW_TAG_class_type || tag == DW_TAG_union_type;
  }
  auto [it, fresh] = names_.try_emplace(v.name + "\n" + v.type + "\n" + std::to_string(v.size),
                                        static_cast<uint32_t>(f.variables.size()));
  if (fresh) {
    if (f.variables.size() >= kMostVariables) throw std::runtime_error("too many variables");
    f.variables.push_back(std::move(v));
  }
  p.variable = it->second;
  out.push_back(p);
}

VariablePlace Reader::place(Dwarf_Die* die, const uint64_t* address) const {
  Dwarf_Attribute a;
  if (address && dwarf_attr_integrate(die, DW_AT_const_value, &a)) {
    Dwarf_Sword value = 0;
    unsigned form = dwarf_whatform(&a);
    bool number = form != DW_FORM_block1 && form != DW_FORM_block2 && form != DW_FORM_block4 &&
                  form != DW_FORM_block && form != DW_FORM_string && form != DW_FORM_strp;
    if (number && dwarf_formsdata(&a, &value) == 0) return {PlaceKind::constant, 0, value};
    return {};
  }
  if (!dwarf_attr_integrate(die, DW_AT_location, &a)) return {};
  Dwarf_Op* ops[2] = {};
  size_t counts[2] = {};
  if (!address) {
    if (dwarf_whatform(&a) != DW_FORM_exprloc || dwarf_getlocation(&a, ops, counts) != 0) return {};
    return from_operations(ops[0], counts[0]);
  }
  // Two answers for one address: not known.
  if (dwarf_getlocation_addr(&a, *address, ops, counts, 2) != 1) return {};
  VariablePlace found = from_operations(ops[0], counts[0]);
  // Of `register long x asm("rbx")` gcc says rbx, and keeps it elsewhere when it optimises.
  bool one = dwarf_whatform(&a) == DW_FORM_exprloc;
  if (found.kind == PlaceKind::reg && one && !believe_one_register_)
    found.kind = PlaceKind::doubtful;
  return found;
}

VariablePlace Reader::from_operations(const Dwarf_Op* ops, size_t count) const {
  if (count == 0) return {};
  unsigned op = ops[0].atom;
  auto number = static_cast<int64_t>(ops[0].number);
  if (count == 1) {
    if (op == DW_OP_fbreg && frame_base_known_) return {PlaceKind::memory, frame_base_, number};
    if (op >= DW_OP_breg0 && op <= DW_OP_breg15)
      return {PlaceKind::memory, static_cast<uint8_t>(op - DW_OP_breg0), number};
    if (op >= DW_OP_reg0 && op <= DW_OP_reg15) return {PlaceKind::reg, 0, op - DW_OP_reg0};
    return {};
  }
  if (count != 2 || ops[1].atom != DW_OP_stack_value) return {};
  if (op >= DW_OP_lit0 && op <= DW_OP_lit31) return {PlaceKind::constant, 0, op - DW_OP_lit0};
  switch (op) {
    case DW_OP_const1u:
    case DW_OP_const2u:
    case DW_OP_const4u:
    case DW_OP_const8u:
    case DW_OP_constu:
    case DW_OP_const1s:
    case DW_OP_const2s:
    case DW_OP_const4s:
    case DW_OP_const8s:
    case DW_OP_consts:
      return {PlaceKind::constant, 0, number};
    default:
      return {};
  }
}

Passed Reader::passed(Dwarf_Die* die) {
  Passed p;
  Dwarf_Die type;
  if (!type_of(die, &type)) {
    p.type = "void";
    return p;
  }
  p.type = type_name(&type);
  Dwarf_Word size = 0;
  if (dwarf_aggregate_size(&type, &size) == 0) p.size = static_cast<uint32_t>(size);
  p.kind = 'i';
  if (!plain_type_of(die, &type)) return p;
  int tag = dwarf_tag(&type);
  if (tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
      tag == DW_TAG_array_type)
    p.kind = 's';
  Dwarf_Attribute a;
  Dwarf_Word encoding = 0;
  if (tag == DW_TAG_base_type && dwarf_attr(&type, DW_AT_encoding, &a) &&
      dwarf_formudata(&a, &encoding) == 0 &&
      (encoding == DW_ATE_float || encoding == DW_ATE_complex_float))
    p.kind = 'f';
  return p;
}

// Number and types are those of the source; the registers are those of this body.
void Reader::signature(Dwarf_Die* die, FunctionVariables& f) const {
  Dwarf_Attribute a;
  Dwarf_Die source = *die, next;
  for (int k = 0; k < 4; ++k) {
    if (!(dwarf_attr(&source, DW_AT_abstract_origin, &a) ||
          dwarf_attr(&source, DW_AT_specification, &a)) ||
        !dwarf_formref_die(&a, &next))
      break;
    source = next;
  }
  f.result = passed(&source);
  Dwarf_Die child;
  if (dwarf_child(&source, &child) == 0) do {
      if (dwarf_tag(&child) == DW_TAG_formal_parameter) f.parameters.push_back(passed(&child));
      if (dwarf_tag(&child) == DW_TAG_unspecified_parameters) f.variadic = true;
    } while (dwarf_siblingof(&child, &child) == 0);
  Dwarf_Addr low = 0;
  std::vector<int16_t> registers;
  if (dwarf_lowpc(die, &low) != 0 && dwarf_entrypc(die, &low) != 0) return;
  if (dwarf_child(die, &child) == 0) do {
      if (dwarf_tag(&child) != DW_TAG_formal_parameter) continue;
      VariablePlace at = place(&child, &low);
      registers.push_back(at.kind == PlaceKind::reg ? static_cast<int16_t>(at.value) : int16_t{-1});
    } while (dwarf_siblingof(&child, &child) == 0);
  if (registers.size() != f.parameters.size()) return;
  for (size_t k = 0; k < registers.size(); ++k) f.parameters[k].reg = registers[k];
}

}  // namespace

std::vector<FunctionVariables> read_variables_with_libdw(
    const std::string& path, const std::vector<VariableRequest>& requests) {
  const DwarfFile file(path);
  return Reader(file.get(), requests).run();
}

}  // namespace mx::analyzer
