// One module's copy in one process image: planned once, written once, its redirects put in and
// taken out at will.
//
//   start                                  start + image size         + room of stubs
//   | the survivor's file: text, constants, filled GOT slots | stubs  | Annex | unwinding data |
#pragma once

#include <map>
#include <optional>
#include <set>

#include "recovery/carrier.h"
#include "recovery/modules.h"
#include "recovery/stack_walk.h"
#include "recovery/target.h"
#include "recovery/unwinding.h"

namespace mx::recovery {

class BroughtModule {
 public:
  /// Plans a copy of `other` for the module `own` of the process. Errors: no room, or nothing to do
  /// with exceptions. Nothing is changed in the process.
  static std::unique_ptr<BroughtModule> plan(const Target& target, const AddressSpace& space,
                                             const Module& own, const Module& other,
                                             std::shared_ptr<const SidedMapping> mapping,
                                             Carrier::Imports imports, Outcome& problem);

  /// The same module at the same place, compared with
  /// the same file: the plan holds for this process too.
  bool fits(const Module& own, const Module& other, const SidedMapping& mapping) const;
  /// Is the copy in this process already (brought earlier, or inherited by fork)?
  bool present(const Target& target) const;
  /// The range where it would go is free in this process.
  bool has_room(const AddressSpace& space) const;
  /// Maps and fills the copy, and makes its unwinding data known. "" or why it failed.
  std::string write(Target& target, const AddressSpace& space);

  const SidedMapping& mapping() const { return *mapping_; }
  const std::set<size_t>& carried() const { return carried_; }
  const std::map<size_t, std::string>& left() const { return left_; }
  const Placement& placement() const { return placement_; }
  const Module& own() const { return own_; }
  BroughtRange range() const;
  bool contains(uint64_t address) const { return address >= start_ && address < stubs_start(); }

  /// The stub that rebuilds a frame that waits at this call; null: there is none.
  const FrameStub* stub_for(const mapping::CallSite& site, bool inward) const;
  /// The stub that starts there; null: none.
  const FrameStub* stub_at(uint64_t address) const;

  /// An entry of the process's own code that leads to the copy.
  struct Redirect {
    size_t function = 0;
    uint64_t at = 0;
    uint8_t own[5] = {}, jump[5] = {};
  };
  const std::vector<Redirect>& redirects() const { return redirects_; }
  std::string put_redirects(Target& target) const;
  std::string take_redirects(Target& target) const;

 private:
  struct Annex;
  BroughtModule() = default;
  void plan_redirects();
  uint64_t room_for_stubs() const;
  void plan_stubs(const Carrier& carrier);
  void add_stub(const Carrier& carrier, const mapping::CallSite& site, bool inward);
  std::string map(Target& target);
  std::string fill(Target& target);
  // Behind the copy.
  uint64_t stubs_start() const {
    return start_ + other_.elf->end_page() - other_.elf->first_page();
  }
  uint64_t annex() const { return stubs_start() + stub_room_; }
  uint64_t annex_size() const;
  uint64_t identity() const;

  Module own_, other_;
  std::shared_ptr<const SidedMapping> mapping_;
  Placement placement_;
  uint64_t start_ = 0;
  std::vector<uint8_t> image_;  // of the copy; zeros behind it
  uint64_t stub_room_ = 0,
           next_stub_ = 0;        // bytes; where the next one may start, from stubs_start()
  std::vector<FrameStub> stubs_;  // by address
  Unwinding unwinding_;
  std::set<size_t> carried_;
  std::map<size_t, std::string> left_;
  std::vector<Redirect> redirects_;
  uint64_t identity_ = 0;  // of the copy, 0 before it was written
};

}  // namespace mx::recovery
