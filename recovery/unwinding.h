// Call frame information for brought code, so that C++
// exceptions (and thread cancellation) pass through it.
//
// The unwinder finds modules through the loader, which knows nothing of the copy; so entries of
// their own are made for the brought functions, with absolute addresses, and made known by
// __register_frame_info. Landing pads, call-site tables and action tables lie in the copy and are
// relative to the function; the types that they name are set to the process's own.
#pragma once

#include "recovery/carrier.h"
#include "recovery/modules.h"
#include "recovery/target.h"

namespace mx::recovery {

struct Unwinding {
  std::vector<uint8_t>
      frames;           // .eh_frame contents with a terminator; empty: nothing to make known
  bool needed = false;  // some brought function catches, or has objects to destroy
  std::string why_not;  // "" or why exceptions cannot pass
};

/// Writes the types into the carrier's image. `own` is the process's module.
/// Stubs are described too, as the frames that they wait for.
Unwinding make_unwinding(Carrier& carrier, const SidedMapping& mapping, const Target& target,
                         const Module& own, const ElfView& other, Placement placement,
                         const std::vector<FrameStub>& stubs);
/// An upper bound of the bytes that one stub needs there.
constexpr size_t kMostStubUnwinding = 128;

/// Address of __register_frame_info in the process; 0: there is none (then nothing in it unwinds
/// through it either).
uint64_t find_register_function(const AddressSpace& space);

}  // namespace mx::recovery
