// A piece of code that a call returns to instead of its caller: it makes the caller's frame one of
// the other version and goes on in that version's code. When it runs, the frames inside are gone,
// so the frame may grow, and the registers hold the caller's own values.
//
//     CFA ┬───────────────┐                 ┬───────────────┐
//         │ return address│                 │ return address│
//         │ saved, locals │   the stub      │ saved, locals │
//     rsp ┴───────────────┘ ─────────────▶  │ of the other  │
//          (own depth)                  rsp ┴───────────────┘ (other depth)
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "analyzer/mapping/format.h"

namespace mx::recovery {

/// One version's frame at a call: its unwind rule there, and how far the CFA is from rsp.
struct FrameShape {
  const mapping::Frame* rule = nullptr;
  int32_t depth = -1;
};

struct StubPlan {
  FrameShape from, to;
  std::span<const mapping::Move> moves;
  /// Where an address of `to`'s file lies in the process; 0: nowhere.
  std::function<uint64_t(uint64_t)> address;
  uint64_t leads_to = 0;  ///< return address of the other version, in the process
};

/// An upper bound of the size of a stub with so many moves.
size_t most_stub_bytes(size_t moves);
/// Position-independent code; empty when the plan asks for something that frames do not have (the
/// mapping is damaged). Keeps rax, rdx and all vector registers; uses rcx and r11.
std::optional<std::vector<uint8_t>> make_stub(const StubPlan& plan);

/// A stub in the process.
struct FrameStub {
  uint64_t at = 0;
  uint64_t stands_for = 0;  ///< the return address of the frame that it waits for
  bool inward = false;      ///< from the process's own code to the copy; else back
  FrameShape shape;         ///< of the frame that it waits for
  const mapping::CallSite* site = nullptr;
  std::vector<uint8_t> code;
};

}  // namespace mx::recovery
