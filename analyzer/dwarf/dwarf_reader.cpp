#include "analyzer/dwarf/dwarf_reader.h"

#include <dwarf.h>
#include <elfutils/libdw.h>

#include <algorithm>
#include <set>
#include <unordered_map>

#include "analyzer/dwarf/dwarf_types.h"

namespace mx::analyzer {
namespace {

constexpr int kDeepest = 64;  // nesting of DIEs and of type chains
constexpr size_t kMostMembers = 20'000;

class Reader {
 public:
  explicit Reader(Dwarf* dwarf) : dwarf_(dwarf) {}

  DebugInfo run() {
    Dwarf_CU* cu = nullptr;
    Dwarf_Die unit;
    while (dwarf_get_units(dwarf_, cu, &cu, nullptr, nullptr, &unit, nullptr) == 0) {
      lines(&unit);
      for (bool types : {true, false}) {  // functions name types that may stand after them
        types_pass_ = types;
        children(&unit, 0);
      }
    }
    std::sort(out_.functions.begin(), out_.functions.end(), [](const auto& a, const auto& b) {
      return std::tie(a.low, a.name) < std::tie(b.low, b.name);
    });
    std::stable_sort(out_.lines.begin(), out_.lines.end(),
                     [](const auto& a, const auto& b) { return a.address < b.address; });
    return std::move(out_);
  }

 private:
  void lines(Dwarf_Die* unit);
  void children(Dwarf_Die* parent, int depth);
  void visit(Dwarf_Die* die, int depth);
  void type(Dwarf_Die* die);
  void members(Dwarf_Die* die, TypeInfo& info);
  void function(Dwarf_Die* die);
  void inside_function(Dwarf_Die* die, std::set<uint32_t>& types, int depth);
  void use_types(Dwarf_Die* die, std::set<uint32_t>& types);
  uint32_t file_index(const char* name);

  Dwarf* dwarf_;
  bool types_pass_ = true;
  DebugInfo out_;
  std::unordered_map<std::string, uint32_t> files_;
  std::unordered_map<std::string, std::vector<uint32_t>> named_types_;
};

uint32_t Reader::file_index(const char* name) {
  auto [it, fresh] = files_.try_emplace(name, static_cast<uint32_t>(out_.files.size()));
  if (fresh) out_.files.push_back(name);
  return it->second;
}

void Reader::lines(Dwarf_Die* unit) {
  Dwarf_Lines* all = nullptr;
  size_t count = 0;
  if (dwarf_getsrclines(unit, &all, &count) != 0) return;
  for (size_t k = 0; k < count; ++k) {
    Dwarf_Line* line = dwarf_onesrcline(all, k);
    Dwarf_Addr address = 0;
    int number = 0;
    bool end = false;
    const char* file = dwarf_linesrc(line, nullptr, nullptr);
    if (dwarf_lineaddr(line, &address) || dwarf_lineno(line, &number) ||
        dwarf_lineendsequence(line, &end))
      continue;
    if (!file) continue;
    LineRow row{address, file_index(file), end ? 0u : static_cast<uint32_t>(std::max(number, 0))};
    if (!out_.lines.empty() && out_.lines.back().address == address && !end)
      out_.lines.back() = row;
    else
      out_.lines.push_back(row);
  }
}

void Reader::children(Dwarf_Die* parent, int depth) {
  Dwarf_Die die;
  if (depth > kDeepest || dwarf_child(parent, &die) != 0) return;
  do visit(&die, depth);
  while (dwarf_siblingof(&die, &die) == 0);
}

void Reader::visit(Dwarf_Die* die, int depth) {
  switch (dwarf_tag(die)) {
    case DW_TAG_structure_type:
    case DW_TAG_class_type:
    case DW_TAG_union_type:
    case DW_TAG_enumeration_type:
      if (types_pass_) type(die);
      if (dwarf_tag(die) != DW_TAG_enumeration_type) children(die, depth + 1);
      break;
    case DW_TAG_namespace:
    case DW_TAG_module:
      children(die, depth + 1);
      break;
    case DW_TAG_subprogram:
      if (!types_pass_) function(die);
      break;
    default:
      break;
  }
}

void Reader::members(Dwarf_Die* die, TypeInfo& info) {
  Dwarf_Die child;
  if (dwarf_child(die, &child) != 0) return;
  do {
    int tag = dwarf_tag(&child);
    Dwarf_Attribute a;
    Dwarf_Word offset = 0;
    TypeMember m;
    const char* name = dwarf_diename(&child);
    m.name = name ? name : "(anonymous " + std::to_string(info.members.size()) + ")";
    if (tag == DW_TAG_enumerator) {
      Dwarf_Sword value = 0;
      if (dwarf_attr(&child, DW_AT_const_value, &a)) dwarf_formsdata(&a, &value);
      m.offset = value;
    } else if (tag == DW_TAG_member || tag == DW_TAG_inheritance) {
      if (dwarf_attr(&child, DW_AT_data_member_location, &a)) dwarf_formudata(&a, &offset);
      m.offset = static_cast<int64_t>(offset);
      if (dwarf_attr(&child, DW_AT_external, &a)) continue;  // a static member has no place
      Dwarf_Word bits = 0;
      if (dwarf_attr(&child, DW_AT_data_bit_offset, &a) && dwarf_formudata(&a, &bits) == 0) {
        m.offset = static_cast<int64_t>(bits / 8);
        m.type = "bit " + std::to_string(bits % 8) + " of ";
      }
      Dwarf_Die target;
      if (dwarf_attr_integrate(&child, DW_AT_type, &a) && dwarf_formref_die(&a, &target))
        m.type += type_name(&target);
    } else {
      continue;
    }
    info.members.push_back(std::move(m));
  } while (info.members.size() < kMostMembers && dwarf_siblingof(&child, &child) == 0);
}

void Reader::type(Dwarf_Die* die) {
  Dwarf_Attribute a;
  if (!dwarf_diename(die) || dwarf_hasattr(die, DW_AT_declaration)) return;
  TypeInfo info;
  info.name = type_name(die);
  Dwarf_Word size = 0;
  if (dwarf_attr(die, DW_AT_byte_size, &a)) dwarf_formudata(&a, &size);
  info.size = size;
  members(die, info);
  auto same = [](const TypeInfo& x, const TypeInfo& y) {
    return x.size == y.size && x.members.size() == y.members.size() &&
           std::equal(x.members.begin(), x.members.end(), y.members.begin(),
                      [](const auto& m, const auto& n) {
                        return m.name == n.name && m.type == n.type && m.offset == n.offset;
                      });
  };
  auto& list = named_types_[info.name];
  for (uint32_t t : list)
    if (same(out_.types[t], info)) return;
  list.push_back(static_cast<uint32_t>(out_.types.size()));
  out_.types.push_back(std::move(info));
}

// Notes the named type behind pointers, arrays, typedefs and qualifiers.
void Reader::use_types(Dwarf_Die* die, std::set<uint32_t>& types) {
  Dwarf_Attribute a;
  Dwarf_Die current = *die, target;
  for (int depth = 0; depth < kDeepest; ++depth) {
    if (!dwarf_attr_integrate(&current, DW_AT_type, &a) || !dwarf_formref_die(&a, &target)) return;
    int tag = dwarf_tag(&target);
    if (tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
        tag == DW_TAG_enumeration_type) {
      auto it = named_types_.find(type_name(&target));
      if (it != named_types_.end()) types.insert(it->second.begin(), it->second.end());
      return;
    }
    current = target;
  }
}

void Reader::inside_function(Dwarf_Die* die, std::set<uint32_t>& types, int depth) {
  Dwarf_Die child;
  if (depth > kDeepest || dwarf_child(die, &child) != 0) return;
  do {
    int tag = dwarf_tag(&child);
    if (tag == DW_TAG_formal_parameter || tag == DW_TAG_variable) {
      use_types(&child, types);
    } else if (tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine) {
      inside_function(&child, types, depth + 1);
    } else if (tag == DW_TAG_structure_type || tag == DW_TAG_union_type ||
               tag == DW_TAG_enumeration_type) {
      type(&child);
    }
  } while (dwarf_siblingof(&child, &child) == 0);
}

void Reader::function(Dwarf_Die* die) {
  Dwarf_Addr base, low = 0, high = 0;
  if (dwarf_hasattr(die, DW_AT_declaration)) return;
  FunctionInfo f;
  if (dwarf_ranges(die, 0, &base, &low, &high) <= 0 || low == 0 || high <= low) return;
  f.low = low;
  f.high = high;
  Dwarf_Attribute a;
  const char* name =
      dwarf_attr_integrate(die, DW_AT_linkage_name, &a) ? dwarf_formstring(&a) : dwarf_diename(die);
  f.name = name ? name : "";
  const char* file = dwarf_decl_file(die);
  f.file = file ? file : "";
  int line = 0;
  if (dwarf_decl_line(die, &line) == 0) f.line = static_cast<uint32_t>(std::max(line, 0));
  std::set<uint32_t> types;
  use_types(die, types);
  inside_function(die, types, 0);
  f.types.assign(types.begin(), types.end());
  out_.functions.push_back(std::move(f));
}

}  // namespace

DebugInfo read_with_libdw(const std::string& path) {
  const DwarfFile file(path);
  return Reader(file.get()).run();
}

}  // namespace mx::analyzer
