#include "analyzer/dwarf/dwarf_types.h"

#include <dwarf.h>
#include <fcntl.h>
#include <unistd.h>

#include <stdexcept>

namespace mx::analyzer {
namespace {

constexpr int kDeepest = 64;  // of a chain of types

}  // namespace

DwarfFile::DwarfFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (fd_ < 0) throw std::runtime_error("cannot open " + path);
  dwarf_ = dwarf_begin(fd_, DWARF_C_READ);
  if (dwarf_) return;
  close(fd_);
  throw std::runtime_error("no DWARF in " + path);
}

DwarfFile::~DwarfFile() {
  dwarf_end(dwarf_);
  close(fd_);
}

std::string type_name(Dwarf_Die* die, int depth) {
  Dwarf_Attribute attribute;
  Dwarf_Die target;
  auto inner = [&] {
    if (depth > kDeepest || !dwarf_attr_integrate(die, DW_AT_type, &attribute) ||
        !dwarf_formref_die(&attribute, &target))
      return std::string("void");
    return type_name(&target, depth + 1);
  };
  const char* name = dwarf_diename(die);
  std::string plain = name ? name : "{}";
  switch (dwarf_tag(die)) {
    case DW_TAG_pointer_type:
      return inner() + "*";
    case DW_TAG_reference_type:
      return inner() + "&";
    case DW_TAG_rvalue_reference_type:
      return inner() + "&&";
    case DW_TAG_const_type:
      return "const " + inner();
    case DW_TAG_volatile_type:
      return "volatile " + inner();
    case DW_TAG_restrict_type:
      return inner();
    case DW_TAG_array_type: {
      std::string text = inner();
      Dwarf_Die range;
      if (dwarf_child(die, &range) != 0) return text + "[]";
      do {
        Dwarf_Word n = 0;
        Dwarf_Attribute a;
        bool upper = dwarf_attr(&range, DW_AT_upper_bound, &a) && dwarf_formudata(&a, &n) == 0;
        bool counted =
            !upper && dwarf_attr(&range, DW_AT_count, &a) && dwarf_formudata(&a, &n) == 0;
        text += upper     ? "[" + std::to_string(n + 1) + "]"
                : counted ? "[" + std::to_string(n) + "]"
                          : "[]";
      } while (dwarf_siblingof(&range, &range) == 0);
      return text;
    }
    case DW_TAG_structure_type:
      return "struct " + plain;
    case DW_TAG_class_type:
      return "class " + plain;
    case DW_TAG_union_type:
      return "union " + plain;
    case DW_TAG_enumeration_type:
      return "enum " + plain;
    case DW_TAG_subroutine_type:
      return "function";
    default:
      return plain;
  }
}

bool type_of(Dwarf_Die* die, Dwarf_Die* type) {
  Dwarf_Attribute a;
  return dwarf_attr_integrate(die, DW_AT_type, &a) && dwarf_formref_die(&a, type);
}

bool plain_type_of(Dwarf_Die* die, Dwarf_Die* type) {
  if (!type_of(die, type)) return false;
  for (int depth = 0; depth < kDeepest; ++depth) {
    int tag = dwarf_tag(type);
    bool transparent = tag == DW_TAG_typedef || tag == DW_TAG_const_type ||
                       tag == DW_TAG_volatile_type || tag == DW_TAG_restrict_type ||
                       tag == DW_TAG_atomic_type;
    if (!transparent) return true;
    Dwarf_Die inner;
    if (!type_of(type, &inner)) return false;
    *type = inner;
  }
  return false;
}

}  // namespace mx::analyzer
