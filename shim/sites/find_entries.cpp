#include "find_entries.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "branch_targets.h"
#include "decode.h"
#include "function_bounds.h"
#include "lock_entries.h"

namespace mx::sites {
namespace {

constexpr size_t kJumpSize = 5;
constexpr uint8_t kEndbr64[] = {0xf3, 0x0f, 0x1e, 0xfa};

std::optional<uint8_t> number_of(std::string_view name) {
  for (uint32_t i = 0; i < kLockFunctionCount; ++i)
    if (name == kLockFunctions[i].name) return static_cast<uint8_t>(i);
  return std::nullopt;
}

bool defines(const ElfImage& image, std::string_view function) {
  return std::ranges::any_of(image.symbols(), [&](const Symbol& symbol) {
    return symbol.function && symbol.name == function && image.code_at(symbol.address);
  });
}

/// Addresses of the functions, each with its number in kLockFunctions.
std::map<uint64_t, uint8_t> wanted_functions(const ElfImage& image) {
  std::map<uint64_t, uint8_t> found;
  const bool has_threads = defines(image, "pthread_create"),
             has_contexts = defines(image, "RAND_bytes_ex");
  for (const Symbol& symbol : image.symbols()) {
    if (!symbol.function || !image.code_at(symbol.address)) continue;
    const auto number = number_of(symbol.name);
    if (!number) continue;
    const LockKind kind = kLockFunctions[*number].kind;
    if (has_contexts && kind == LockKind::kBytes) continue;
    if (has_threads || is_random(kind) || symbol.name.starts_with("__cxa_"))
      found.emplace(symbol.address, *number);
  }
  return found;
}

class EntryFinder {
 public:
  explicit EntryFinder(const ElfImage& image)
      : image_(image), bounds_(image), targets_(image, bounds_.entries()) {}

  /// False if neither the first bytes nor the whole function can be moved.
  bool describe(uint64_t address, LockEntry* entry) {
    const Function function = bounds_.around(address);
    if (function.begin != address || function.guessed || !targets_.complete()) return false;
    const Segment& code = *image_.code_at(address);
    const Bytes bytes = code.bytes.subspan(address - code.address, function.end - address);
    std::vector<uint64_t> branches;
    auto instructions = decoder_.decode(bytes, address, &branches);
    const bool endbr = bytes.size() >= 4 && std::ranges::equal(bytes.first(4), kEndbr64);
    if (endbr && !instructions.empty()) instructions.erase(instructions.begin());
    while (!instructions.empty() && instructions.back().kind == Kind::kPadding)
      instructions.pop_back();
    if (instructions.empty()) return false;
    entry->offset = static_cast<uint32_t>(instructions.front().address);
    const LockEntry blank = *entry;
    const bool closed = !jumped_into(entry->offset + 1, instructions.back().end());
    for (const uint64_t target : branches) targets_.mark(target);
    if (take_begin(instructions, bytes, function, entry)) return true;
    *entry = blank;
    return closed && take_whole(instructions, bytes, function, entry);
  }

 private:
  bool take_begin(const std::vector<Instruction>& instructions, Bytes bytes,
                  const Function& function, LockEntry* entry) {
    const uint64_t begin = entry->offset;
    size_t fixups = 0;
    for (const Instruction& instruction : instructions) {
      if (!take(instruction, bytes.subspan(instruction.address - function.begin), entry, &fixups))
        return false;
      if (entry->len >= kJumpSize) return !jumped_into(begin + 1, begin + entry->len);
      if (entry->short_branch) return false;
    }
    return false;
  }

  /// Of a small function that loops to its first bytes (glibc's sem_trywait): its branches lead
  /// where they led, if it moves as a whole. Nobody else's leads into it.
  bool take_whole(const std::vector<Instruction>& instructions, Bytes bytes,
                  const Function& function, LockEntry* entry) {
    const uint64_t begin = entry->offset, end = instructions.back().end();
    if (end - begin < kJumpSize || end - begin > kMaxEntry ||
        instructions.back().kind != Kind::kRet)
      return false;
    size_t fixups = 0;
    for (const Instruction& instruction : instructions) {
      const Bytes code = bytes.subspan(instruction.address - function.begin, instruction.size);
      uint8_t displacement = 0;
      switch (instruction.kind) {
        case Kind::kRet:
        case Kind::kPadding:
          break;
        case Kind::kBranch:
          displacement = displacement32(code);
          if (leads_into(code, instruction, begin, end))
            displacement = 0;
          else if (displacement == 0)
            return false;
          break;
        case Kind::kPlain: {
          const Mobility mobility = decoder_.mobility(code, instruction.address);
          if (!mobility.movable) return false;
          displacement = mobility.rip_disp_at;
          break;
        }
        default:
          return false;
      }
      if (!add_fixup(displacement, entry, &fixups)) return false;
      entry->len = static_cast<uint8_t>(entry->len + instruction.size);
    }
    return true;
  }

  /// Where the 32-bit displacement of a branch is; 0: it has one of 8 bits.
  static uint8_t displacement32(Bytes branch) {
    if (branch.size() == 5 && (branch[0] == 0xe8 || branch[0] == 0xe9)) return 1;
    return branch.size() == 6 && branch[0] == 0x0f ? 2 : 0;
  }
  static bool leads_into(Bytes branch, const Instruction& instruction, uint64_t begin,
                         uint64_t end) {
    int32_t distance = static_cast<int8_t>(branch.back());
    if (const uint8_t at = displacement32(branch)) std::memcpy(&distance, &branch[at], 4);
    const uint64_t target = instruction.end() + static_cast<uint64_t>(int64_t{distance});
    return target >= begin && target < end;
  }

  /// `displacement`: where it is in the next instruction; 0: there is none.
  static bool add_fixup(uint8_t displacement, LockEntry* entry, size_t* fixups) {
    if (displacement == 0) return true;
    if (*fixups == sizeof entry->disp32_at) return false;
    entry->disp32_at[(*fixups)++] = static_cast<uint8_t>(entry->len + displacement);
    return true;
  }

  /// Adds one instruction to the entry's bytes.
  bool take(const Instruction& instruction, Bytes bytes, LockEntry* entry, size_t* fixups) {
    uint8_t displacement = 0;
    if (instruction.kind == Kind::kBranch) {
      if (bytes[0] == 0xe8 || bytes[0] == 0xe9) {
        displacement = 1;
      } else if ((bytes[0] & 0xf0) == 0x70) {
        entry->short_branch = entry->len;  // widened by the agent; the last one of the entry
        if (entry->len == 0) return false;
      } else {
        return false;
      }
    } else if (instruction.kind == Kind::kPlain) {
      const Mobility mobility =
          decoder_.mobility(bytes.first(instruction.size), instruction.address);
      if (!mobility.movable) return false;
      displacement = mobility.rip_disp_at;
    } else if (instruction.kind != Kind::kPadding) {
      return false;
    }
    if (!add_fixup(displacement, entry, fixups)) return false;
    entry->len = static_cast<uint8_t>(entry->len + instruction.size);
    return true;
  }

  bool jumped_into(uint64_t begin, uint64_t end) const {
    for (uint64_t at = begin; at < end; ++at)
      if (targets_.marked(at)) return true;
    return false;
  }

  const ElfImage& image_;
  FunctionBounds bounds_;
  BranchTargets targets_;
  Decoder decoder_;
};

bool overlaps(const LockEntry& entry, const std::vector<Site>& sites) {
  return std::ranges::any_of(sites, [&](const Site& site) {
    return site.offset < entry.offset + entry.len && entry.offset < site.offset + site.len;
  });
}

}  // namespace

std::vector<LockEntry> find_lock_entries(const ElfImage& image, const std::vector<Site>& sites) {
  std::vector<LockEntry> entries;
  const auto wanted = wanted_functions(image);
  if (wanted.empty()) return entries;
  EntryFinder finder(image);
  for (const auto& [address, number] : wanted) {
    LockEntry entry{};
    entry.offset = static_cast<uint32_t>(address);
    entry.function = number;
    const bool hooked = kLockFunctions[number].kind != LockKind::kAddress;
    if (hooked && (!finder.describe(address, &entry) || overlaps(entry, sites))) continue;
    const Segment* code = image.code_at(entry.offset);
    entry.file_offset = static_cast<uint32_t>(code->file_offset + (entry.offset - code->address));
    entries.push_back(entry);
  }
  return entries;
}

}  // namespace mx::sites
