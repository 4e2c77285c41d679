// A mapping read from the point of view of a process: `own` is the version that it runs, `other`
// the survivor's, whose code it is to get.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "analyzer/mapping/mapping_file.h"
#include "recovery/frame_stub.h"
#include "recovery/transplant.h"

namespace mx::recovery {

class SidedMapping {
 public:
  SidedMapping(std::shared_ptr<const mapping::MappingFile> file, Side own);

  using Function = mapping::Function;
  std::span<const Function> functions() const { return file_->functions(); }
  size_t index_of(const Function& f) const { return static_cast<size_t>(&f - functions().data()); }
  uint64_t own_address(const Function& f) const { return old_ ? f.old_address : f.new_address; }
  uint64_t other_address(const Function& f) const { return old_ ? f.new_address : f.old_address; }
  uint32_t own_size(const Function& f) const { return old_ ? f.old_size : f.new_size; }
  uint32_t other_size(const Function& f) const { return old_ ? f.new_size : f.old_size; }
  /// Can the survivor's code of `f` run in this process?
  mapping::Possible possible(const Function& f) const { return old_ ? f.old_to_new : f.new_to_old; }
  std::string why_not(const Function& f) const {
    return std::string(file_->text(old_ ? f.why_not_old_to_new : f.why_not_new_to_old));
  }
  std::string name(const Function& f) const { return std::string(file_->text(f.name)); }
  /// Address fields in the survivor's code of `f`.
  std::span<const mapping::Fixup> fixups(const Function& f) const {
    return old_ ? file_->new_fixups_of(f) : file_->old_fixups_of(f);
  }
  const Function* function_at_own(uint64_t address) const {
    return old_ ? file_->function_at_old(address) : file_->function_at_new(address);
  }
  const Function* function_at_other(uint64_t address) const {
    return old_ ? file_->function_at_new(address) : file_->function_at_old(address);
  }
  std::span<const mapping::CallSite> sites(const Function& f) const { return file_->sites_of(f); }
  uint64_t own_return(const mapping::CallSite& s) const {
    return old_ ? s.old_return : s.new_return;
  }
  uint64_t other_return(const mapping::CallSite& s) const {
    return old_ ? s.new_return : s.old_return;
  }
  /// How a frame that waits at this call in the process's own code becomes one of the survivor's.
  mapping::FrameChange change_in(const mapping::CallSite& s) const {
    return old_ ? s.to_new : s.to_old;
  }
  /// And how one in the survivor's code becomes one of the process's own.
  mapping::FrameChange change_out(const mapping::CallSite& s) const {
    return old_ ? s.to_old : s.to_new;
  }
  std::span<const mapping::Move> moves_in(const mapping::CallSite& s) const {
    return old_ ? file_->moves_to_new(s) : file_->moves_to_old(s);
  }
  std::span<const mapping::Move> moves_out(const mapping::CallSite& s) const {
    return old_ ? file_->moves_to_old(s) : file_->moves_to_new(s);
  }
  std::string why_not_in(const mapping::CallSite& s) const {
    return std::string(file_->text(old_ ? s.why_not_to_new : s.why_not_to_old));
  }
  FrameShape own_shape(const mapping::CallSite& s) const {
    return old_ ? shape(s.old_frame, s.old_depth) : shape(s.new_frame, s.new_depth);
  }
  FrameShape other_shape(const mapping::CallSite& s) const {
    return old_ ? shape(s.new_frame, s.new_depth) : shape(s.old_frame, s.old_depth);
  }
  /// Callers of the process's own code cannot call the survivor's body, nor the other way round.
  static bool parameters_differ(const Function& f) { return f.parameters_differ; }
  /// The variable of the survivor that covers `address`
  /// (known size), or starts there; nullptr if none.
  const mapping::Data* data_at_other(uint64_t address) const;
  /// Start of the first variable of the survivor behind
  /// `address`; the largest number if there is none.
  uint64_t next_data_other(uint64_t address) const;
  uint64_t own_address(const mapping::Data& d) const {
    return old_ ? d.old_address : d.new_address;
  }
  uint64_t other_address(const mapping::Data& d) const {
    return old_ ? d.new_address : d.old_address;
  }
  uint64_t other_size(const mapping::Data& d) const { return old_ ? d.new_size : d.old_size; }
  std::string name(const mapping::Data& d) const { return std::string(file_->text(d.name)); }
  /// Both versions have it, with the same size.
  bool shared(const mapping::Data& d) const {
    return d.old_address && d.new_address && d.status != mapping::DataStatus::resized;
  }
  /// A function that both versions have and that differs.
  static bool changed(const Function& f) { return f.status == mapping::FunctionStatus::changed; }

 private:
  FrameShape shape(uint32_t frame, int32_t depth) const {
    return {frame == mapping::kNothing ? nullptr : &file_->frames()[frame], depth};
  }

  std::shared_ptr<const mapping::MappingFile> file_;
  bool old_;                          // the process runs the old version
  std::vector<uint32_t> other_data_;  // indices of data that the survivor has, by its address
};

}  // namespace mx::recovery
