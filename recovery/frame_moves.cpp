#include "recovery/frame_moves.h"

#include <optional>

#include "analyzer/base/hex.h"

namespace mx::recovery {
namespace {

using analyzer::hex;

const mapping::CallSite* site_of(const BroughtModule& b, const mapping::Function& f,
                                 uint64_t own_return) {
  for (const auto& s : b.mapping().sites(f))
    if (b.mapping().own_return(s) == own_return) return &s;
  return nullptr;
}

/// Does the function (of the process's own code) appear on the crash's stack?
bool took_part(const BroughtModule& b, const mapping::Function& f,
               const std::vector<uint64_t>& crash_stack) {
  if (crash_stack.empty()) return true;  // not known: assume so
  for (size_t k = 0; k < crash_stack.size(); ++k) {
    uint64_t address = crash_stack[k] - b.own().bias - (k ? 1 : 0);
    if (b.mapping().function_at_own(address) == &f) return true;
  }
  return false;
}

std::string cannot_move(const BroughtModule& b, const mapping::Function& f, const StackFrame& frame,
                        const mapping::CallSite* site) {
  std::string text = "`" + b.mapping().name(f) + "` is active at " + hex(frame.in_module);
  if (frame.interrupted) return text + ", in the middle of its code";
  if (!b.mapping().other_address(f)) return text + ", and the other version does not have it";
  if (!site) return text + ", a call that has no counterpart in the other version";
  std::string why = b.mapping().why_not_in(*site);
  return text + ", and its frame differs" + (why.empty() ? "" : ": " + why);
}

/// Is there memory for the frame that it becomes? (The main stack grows by itself.)
bool has_room(const AddressSpace& space, const StackFrame& frame, const FrameShape& shape) {
  constexpr uint64_t kScratch = 4096;
  uint64_t lowest = frame.cfa - static_cast<uint64_t>(shape.depth) - kScratch;
  for (const Range& r : space.ranges)
    if (frame.slot >= r.start && frame.slot < r.end)
      return r.what == "[stack]" || (lowest >= r.start && lowest < frame.slot);
  return false;
}

/// How a frame in the process's own code gets into the copy; empty when it cannot.
std::optional<Move> way_in(const BroughtModule& b, const AddressSpace& space,
                           const StackFrame& frame, const mapping::CallSite& site) {
  if (!frame.slot) return {};
  if (b.mapping().change_in(site) == mapping::FrameChange::same)
    return Move{frame.slot, frame.address, b.placement().copy_bias + b.mapping().other_return(site),
                false};
  const FrameStub* stub = b.stub_for(site, true);
  if (!stub || !frame.cfa || !has_room(space, frame, b.mapping().other_shape(site))) return {};
  return Move{frame.slot, frame.address, stub->at, true};
}

/// How a frame in the copy gets back; empty when it cannot.
std::optional<Move> way_out(const BroughtModule& b, const StackFrame& frame) {
  uint64_t other = frame.address - b.placement().copy_bias;
  const auto* f = b.mapping().function_at_other(other - (frame.interrupted ? 0 : 1));
  if (!f || frame.interrupted || !frame.slot || !b.mapping().own_address(*f)) return {};
  for (const auto& s : b.mapping().sites(*f)) {
    if (b.mapping().other_return(s) != other) continue;
    if (b.mapping().change_out(s) == mapping::FrameChange::same)
      return Move{frame.slot, frame.address, b.own().bias + b.mapping().own_return(s), false};
    if (const FrameStub* stub = b.stub_for(s, false))
      return Move{frame.slot, frame.address, stub->at, true};
  }
  return {};
}

}  // namespace

size_t common_outer_frames(const std::vector<StackFrame>& frames,
                           const std::vector<uint64_t>& crash_stack) {
  size_t n = 0;
  while (n < frames.size() && n < crash_stack.size() &&
         frames[frames.size() - 1 - n].address == crash_stack[crash_stack.size() - 1 - n])
    ++n;
  return n;
}

std::string plan_moves_in(const ThreadStack& stack, const AddressSpace& space,
                          const std::vector<BroughtModule*>& modules,
                          const std::vector<uint64_t>& crash_stack, std::vector<Move>& out) {
  for (size_t k = 0; k < stack.frames.size() && k < stack.waiting_from; ++k) {
    const StackFrame& frame = stack.frames[k];
    for (const BroughtModule* b : modules) {
      // On its way out of the copy since the last time: it stays in. On its way in: all is well.
      if (const FrameStub* stub = b->stub_at(frame.address); stub && !stub->inward)
        out.push_back({frame.slot, frame.address, stub->stands_for, false});
      if (!b->own().contains(frame.address)) continue;
      const auto* f = b->mapping().function_at_own(frame.in_module - (frame.interrupted ? 0 : 1));
      if (!f) continue;
      if (!b->mapping().other_address(*f)) {
        if (took_part(*b, *f, crash_stack)) return cannot_move(*b, *f, frame, nullptr);
        continue;
      }
      if (!b->carried().count(b->mapping().index_of(*f)) || !SidedMapping::changed(*f)) continue;
      const auto* site = frame.interrupted ? nullptr : site_of(*b, *f, frame.in_module);
      if (auto move = site ? way_in(*b, space, frame, *site) : std::nullopt) {
        out.push_back(*move);
        continue;
      }
      if (took_part(*b, *f, crash_stack)) return cannot_move(*b, *f, frame, site);
    }
  }
  return "";
}

uint32_t plan_moves_out(const std::vector<StackFrame>& frames,
                        const std::vector<BroughtModule*>& modules, std::vector<Move>& out) {
  uint32_t kept = 0;
  for (const StackFrame& frame : frames)
    for (const BroughtModule* b : modules) {
      if (const FrameStub* stub = b->stub_at(frame.address)) {
        if (stub->inward) out.push_back({frame.slot, frame.address, stub->stands_for, false});
        continue;
      }
      if (!b->contains(frame.address)) continue;
      if (auto move = way_out(*b, frame))
        out.push_back(*move);
      else
        ++kept;
    }
  return kept;
}

std::string entries_in_use(const std::vector<StackFrame>& frames,
                           const std::vector<BroughtModule*>& modules) {
  for (const StackFrame& frame : frames)
    for (const BroughtModule* b : modules) {
      if (!b->own().contains(frame.address)) continue;
      for (const auto& r : b->redirects())
        if (frame.address > r.at && frame.address < r.at + sizeof r.jump)
          return "a thread stands in the first bytes of `" +
                 b->mapping().name(b->mapping().functions()[r.function]) + "`";
    }
  return "";
}

}  // namespace mx::recovery
