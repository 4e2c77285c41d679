#include "find_entries.h"

#include <algorithm>
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

  /// False if the first bytes cannot be moved.
  bool describe(uint64_t address, LockEntry* entry) {
    const Function function = bounds_.around(address);
    if (function.begin != address || function.guessed || !targets_.complete()) return false;
    const Segment& code = *image_.code_at(address);
    const Bytes bytes = code.bytes.subspan(address - code.address, function.end - address);
    std::vector<uint64_t> branches;
    const auto instructions = decoder_.decode(bytes, address, &branches);
    for (const uint64_t target : branches) targets_.mark(target);
    const bool endbr = bytes.size() >= 4 && std::ranges::equal(bytes.first(4), kEndbr64);
    const uint64_t begin = address + (endbr ? sizeof kEndbr64 : 0);
    entry->offset = static_cast<uint32_t>(begin);
    size_t fixups = 0;
    for (size_t i = endbr ? 1 : 0; i < instructions.size(); ++i) {
      if (!take(instructions[i], bytes.subspan(instructions[i].address - address), entry, &fixups))
        return false;
      if (entry->len >= kJumpSize) return !jumped_into(begin + 1, begin + entry->len);
      if (entry->short_branch) return false;
    }
    return false;
  }

 private:
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
    if (displacement) {
      if (*fixups == sizeof entry->disp32_at) return false;
      entry->disp32_at[(*fixups)++] = static_cast<uint8_t>(entry->len + displacement);
    }
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
