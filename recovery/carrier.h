// Makes the survivor's code fit into a process of the other version: which functions come along,
// and the bytes of the copy, with every reference fixed.
//
// The copy has the layout of the survivor's file, at another base:
// its read-only data lies where its code expects it, jump tables and
// unwinding data keep their distances. What differs is written over:
//   - calls and pointers to a function that the process has lead to the process's own entry. A
//   changed one has a jump
//     there for as long as the transplant lives, so code that is still running when it ends falls
//     back by itself;
//   - functions that only the survivor has, cold parts, and functions whose parameters differ stay
//   in the copy: only code that
//     comes along calls them;
//   - variables are the process's own; read-only data that differs is the copy's;
//   - PLT stubs and GOT slots of imports are the process's own; GOT slots for local things, and for
//   imports that only the
//     survivor has, are filled in the copy.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "recovery/elf_view.h"
#include "recovery/sided_mapping.h"

namespace mx::recovery {

struct Placement {
  uint64_t own_bias = 0;   // of the process's module
  uint64_t copy_bias = 0;  // of the copy
};

class Carrier {
 public:
  /// `imports` finds a symbol of another library that the process's module does not import itself;
  /// 0: not found.
  using Imports = std::function<uint64_t(std::string_view symbol)>;
  Carrier(const SidedMapping& mapping, const ElfView& own, const ElfView& other,
          Placement placement, Imports imports);

  /// Decides and translates. Call once.
  void run();
  /// Functions whose code is in the copy (indices into mapping.functions()).
  const std::set<size_t>& carried() const { return carried_; }
  /// Changed functions that keep their own code, with the reason.
  const std::map<size_t, std::string>& left() const { return left_; }
  /// The copy, from first_page() to end_page_in_file() of the survivor's file: behind that it is
  /// zeros. Leaves none behind.
  std::vector<uint8_t> take_image() { return std::move(image_); }

  /// The address in the process that stands for an address of the survivor's file: its own thing
  /// where it has one, else the copy's; 0 when it has neither.
  uint64_t counterpart(uint64_t other_address) const;
  /// Overwrites a place of the copy. False: outside the image.
  bool put(uint64_t other_address, const void* bytes, size_t size);

 private:
  struct Field {
    uint64_t at = 0;  // in the survivor's file
    uint8_t size = 4;
    uint64_t value = 0;
  };
  struct Translation {
    std::string why_not;
    std::vector<Field> fields;
    std::set<size_t> needs;              // other functions that must come along
    std::set<uint64_t> constants;        // read-only places that it refers to
    std::map<uint64_t, uint64_t> slots;  // GOT slots of the copy, with what they must hold
    std::map<uint64_t, uint64_t> stubs;  // jumps to plant in the copy
    std::map<uint64_t, uint32_t>
        verbatim;  // PLT stubs of the survivor's file that are used as they are, with sizes
  };
  Translation translate(const SidedMapping::Function& f) const;
  uint64_t resolve(const SidedMapping::Function& f, const mapping::Fixup& x, Translation& t) const;
  uint64_t resolve_function(const SidedMapping::Function& f, const mapping::Fixup& x,
                            Translation& t) const;
  uint64_t resolve_data(const mapping::Fixup& x, Translation& t) const;
  uint64_t resolve_slot(const mapping::Fixup& x, Translation& t) const;
  uint64_t resolve_import(const mapping::Fixup& x, Translation& t) const;
  bool is_branch(const SidedMapping::Function& f, const mapping::Fixup& x) const;
  bool add_field(const SidedMapping::Function& f, const mapping::Fixup& x, uint64_t destination,
                 Translation& t) const;
  std::string check_thread_local(const SidedMapping::Function& f) const;
  bool add_thread_field(const SidedMapping::Function& f, const mapping::Fixup& x,
                        Translation& t) const;
  void add_table(const SidedMapping::Function& f, uint64_t table, Translation& t) const;
  std::string relocate_constants(const std::set<uint64_t>& places, std::set<size_t>& needs);
  bool relocate_word(uint64_t at, uint64_t value, std::set<size_t>& needs);
  static bool stands_apart(const SidedMapping::Function& f);
  bool imports_what_stands_apart(const mapping::Fixup& x) const;
  void copy_segments();
  void close_over_needs();

  const SidedMapping& m_;
  const ElfView &own_, &other_;
  Placement at_;
  Imports imports_;
  bool same_thread_locals_;
  std::set<std::string> apart_;  // names of functions whose parameters differ
  std::vector<uint8_t> image_;
  std::map<size_t, Translation> translations_;
  std::set<size_t> carried_;
  std::map<size_t, std::string> left_;
};

}  // namespace mx::recovery
