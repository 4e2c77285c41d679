#include "region.h"

#include <algorithm>
#include <utility>

namespace mx::sites {
namespace {

constexpr size_t kJumpSize = 5;

}  // namespace

RegionFinder::RegionFinder(Decoder* decoder, FunctionCode code)
    : decoder_(decoder), code_(std::move(code)) {
  const bool indirect = std::any_of(code_.instructions.begin(), code_.instructions.end(),
                                    [](const auto& i) { return i.kind == Kind::kIndirectJump; });
  unresolved_jump_ =
      indirect && !code_.targets.data_points_into(code_.function.begin + 1, code_.function.end);
}

Site RegionFinder::find(size_t index) {
  const Instruction& syscall = code_.instructions[index];
  // The kernel's signal frame returns here; libgcc and gdb recognise the frame by `mov $15, %rax`.
  if (index > 0) {
    const Bytes before = bytes_of(code_.instructions[index - 1]);
    static constexpr uint8_t kMov32[] = {0xb8, 15, 0, 0, 0};
    static constexpr uint8_t kMov64[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0};
    if (std::ranges::equal(before, kMov32) || std::ranges::equal(before, kMov64))
      return refused(index, Reason::kSignalReturn);
  }
  if (syscall.address < taken_until_) return refused(index, Reason::kOverlap);
  if (jumped_into(syscall.address + 1, syscall.end())) return refused(index, Reason::kBranchTarget);
  if (unresolved_jump_ && !checks_errno(index)) return refused(index, Reason::kIndirectJump);

  const size_t wanted = kJumpSize - syscall.size;
  Reason reason = Reason::kNone;
  for (const bool with_fixups : {false, true}) {
    const Side after = extend_after(index, wanted, with_fixups);
    Side before;
    if (after.bytes < wanted && !unresolved_jump_) {
      before = extend_before(index, wanted, with_fixups);
      if (before.bytes < wanted) before = extend_before(index, wanted - after.bytes, with_fixups);
    }
    reason = after.obstacle;
    const bool enough_before = before.bytes >= wanted;
    const size_t last = enough_before ? index : index + after.count;
    const size_t gained = enough_before ? before.bytes : before.bytes + after.bytes;
    if (gained < wanted) continue;
    Site site{};
    if (!describe(index - before.count, last, &site)) {
      reason = Reason::kNoRoom;
      continue;
    }
    const uint64_t begin = site.offset, end = begin + site.len;
    if (short_branch_from_outside(begin + 1, end)) {
      reason = Reason::kBranchTarget;
      continue;
    }
    taken_until_ = end;
    return site;
  }
  return syscall.kind == Kind::kCounter ? by_stone(index, reason) : refused(index, reason);
}

/// Whether nothing but int3 stands there: behind the function up to `end`, or as instructions in
/// it.
bool RegionFinder::unused(uint64_t begin, uint64_t end) const {
  constexpr uint8_t kInt3 = 0xcc;
  const uint64_t behind = code_.function.end;
  const uint64_t from = begin < behind ? begin : behind;
  if (end > code_.segment.end() || (begin < behind && end > behind)) return false;
  const Bytes bytes = code_.segment.bytes.subspan(from - code_.segment.address, end - from);
  if (!std::ranges::all_of(bytes, [](uint8_t byte) { return byte == kInt3; })) return false;
  if (begin >= behind) return true;
  return std::ranges::any_of(code_.instructions, [&](const Instruction& i) {
    return i.address == begin && i.kind == Kind::kStop && i.size == 1;
  });
}

Site RegionFinder::by_stone(size_t index, Reason reason) {
  constexpr uint64_t kShortJump = 2, kReach = 127;
  const Instruction& reader = code_.instructions[index];
  const uint64_t begin = reader.address, last = begin + kShortJump + kReach;
  if (jumped_into(begin + 1, reader.end()) || begin < taken_until_) return refused(index, reason);
  for (uint64_t at = std::max(reader.end(), stones_until_); at <= last; ++at) {
    if (!unused(at, at + kJumpSize) || jumped_into(at, at + kJumpSize)) continue;
    Site site{};
    if (!describe(index, index, &site)) break;
    site.stone = static_cast<uint8_t>(at - begin);
    taken_until_ = reader.end();
    stones_until_ = at + kJumpSize;
    return site;
  }
  return refused(index, reason);
}

RegionFinder::Side RegionFinder::extend_after(size_t index, size_t wanted, bool with_fixups) {
  Side side;
  bool padding_only = false;
  for (size_t i = index + 1; side.bytes < wanted; ++i) {
    if (i == code_.instructions.size()) {
      side.obstacle = Reason::kNoRoom;
      return side;
    }
    const Instruction& instruction = code_.instructions[i];
    const Bytes bytes = bytes_of(instruction);
    if (jumped_into(instruction.address, instruction.end())) {
      side.obstacle = Reason::kBranchTarget;
      return side;
    }
    if (padding_only) {
      const bool int3 = bytes.size() == 1 && bytes[0] == 0xcc;
      side.obstacle =
          int3 || instruction.kind == Kind::kPadding ? Reason::kNone : Reason::kUnmovable;
    } else {
      side.obstacle = obstacle_at(i, with_fixups);
      padding_only = instruction.kind == Kind::kRet;
    }
    if (side.obstacle != Reason::kNone) return side;
    ++side.count;
    side.bytes += bytes.size();
  }
  return side;
}

RegionFinder::Side RegionFinder::extend_before(size_t index, size_t wanted, bool with_fixups) {
  Side side;
  for (size_t i = index; side.bytes < wanted; --i) {
    if (i == 0) {
      side.obstacle = Reason::kNoRoom;
      return side;
    }
    // Whoever jumps to instruction i would land in the middle of the region.
    const Instruction& instruction = code_.instructions[i - 1];
    if (jumped_into(instruction.address + 1, instruction.end() + 1)) {
      side.obstacle = Reason::kBranchTarget;
      return side;
    }
    side.obstacle = instruction.address < taken_until_ ? Reason::kOverlap
                    : instruction.kind == Kind::kRet   ? Reason::kUnmovable
                                                       : obstacle_at(i - 1, with_fixups);
    if (side.obstacle != Reason::kNone) return side;
    ++side.count;
    side.bytes += instruction.size;
  }
  return side;
}

/// What speaks against moving one instruction, whoever jumps to it.
Reason RegionFinder::obstacle_at(size_t index, bool with_fixups) {
  const Instruction& instruction = code_.instructions[index];
  switch (instruction.kind) {
    case Kind::kSyscall:
    case Kind::kCounter:
      return Reason::kOverlap;
    case Kind::kPadding:
    case Kind::kRet:
      return Reason::kNone;
    case Kind::kPlain: {
      const Mobility mobility = decoder_->mobility(bytes_of(instruction), instruction.address);
      const bool free = mobility.movable && (mobility.rip_disp_at == 0 || with_fixups);
      return free ? Reason::kNone : Reason::kUnmovable;
    }
    default:
      return Reason::kUnmovable;
  }
}

bool RegionFinder::jumped_into(uint64_t begin, uint64_t end) const {
  for (uint64_t address = begin; address < end; ++address)
    if (code_.targets.marked(address)) return true;
  return false;
}

/// 8-bit branches of code around the function, which was not decoded: any byte pair counts that
/// looks like one, would lead into [begin, end) and can be an instruction.
bool RegionFinder::short_branch_from_outside(uint64_t begin, uint64_t end) const {
  constexpr uint64_t kReach = 130;
  const Segment& segment = code_.segment;
  const uint64_t first = begin - std::min(begin - segment.address, kReach);
  const uint64_t last = std::min(end + kReach, segment.end() - 1);
  for (uint64_t at = first; at < last; ++at) {
    if (at >= code_.function.begin && at < code_.function.end) {
      at = code_.function.end - 1;
      continue;
    }
    const uint8_t* bytes = &segment.bytes[at - segment.address];
    const bool branch = (bytes[0] & 0xf0) == 0x70 || bytes[0] == 0xeb || (bytes[0] & 0xfc) == 0xe0;
    const uint64_t target = at + 2 + static_cast<int64_t>(static_cast<int8_t>(bytes[1]));
    if (branch && target >= begin && target < end && code_.may_begin(at)) return true;
  }
  return false;
}

/// `cmp $-4096, %rax` or `cmp $-4095, %rax` follows: no compiler makes this a case of a switch.
bool RegionFinder::checks_errno(size_t index) const {
  if (index + 1 == code_.instructions.size()) return false;
  const Bytes next = bytes_of(code_.instructions[index + 1]);
  static constexpr uint8_t kTail[] = {0xf0, 0xff, 0xff};
  return next.size() == 6 && next[0] == 0x48 && next[1] == 0x3d && next[2] <= 1 &&
         std::ranges::equal(next.last(3), kTail);
}

Bytes RegionFinder::bytes_of(const Instruction& instruction) const {
  return code_.bytes.subspan(instruction.address - code_.function.begin, instruction.size);
}

/// Fills in the region of instructions [first, last]. False if it is too long or needs too many
/// fix-ups.
bool RegionFinder::describe(size_t first, size_t last, Site* site) {
  const uint64_t begin = code_.instructions[first].address;
  const uint64_t length = code_.instructions[last].end() - begin;
  if (length > kMaxRegion) return false;
  site->offset = static_cast<uint32_t>(begin);
  site->len = static_cast<uint8_t>(length);
  site->flags = kRewritable | (code_.function.guessed ? kGuessedBounds : 0);
  size_t fixups = 0;
  for (size_t i = first; i <= last; ++i) {
    const Instruction& instruction = code_.instructions[i];
    const auto at = static_cast<uint8_t>(instruction.address - begin);
    if (instruction.kind == Kind::kSyscall || instruction.kind == Kind::kCounter) {
      site->syscall_at = at;
      site->size = instruction.size;
    }
    if (instruction.kind == Kind::kRet) site->flags |= kTouchesMemory;
    if (instruction.kind != Kind::kPlain) continue;
    const Mobility mobility = decoder_->mobility(bytes_of(instruction), instruction.address);
    if (mobility.touches_memory) site->flags |= kTouchesMemory;
    if (mobility.rip_disp_at == 0) continue;
    if (fixups == sizeof site->disp32_at) return false;
    site->disp32_at[fixups++] = static_cast<uint8_t>(at + mobility.rip_disp_at);
  }
  return true;
}

Site RegionFinder::refused(size_t index, Reason reason) const {
  Site site{};
  site.offset = static_cast<uint32_t>(code_.instructions[index].address);
  site.len = site.size = code_.instructions[index].size;
  site.flags = code_.function.guessed ? kGuessedBounds : 0;
  site.reason = reason;
  return site;
}

}  // namespace mx::sites
