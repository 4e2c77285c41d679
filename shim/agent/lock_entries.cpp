// Rewriting the entries of lock functions.
//
// A trampoline:
//     mov  $function, %eax
//     lea  copy(%rip), %r11
//     jmp  *address of mx_lock_entry, or of mx_serialized_entry
//   copy:
//     the entry's bytes; a short branch at their end becomes a long one
//     jmp  behind them
#include "shim/sites/lock_entries.h"

#include "shim/agent/hooked_call.h"
#include "shim/agent/locks.h"
#include "shim/agent/memory.h"
#include "shim/agent/patch.h"

extern "C" void mx_lock_entry();
extern "C" void mx_serialized_entry();

namespace mx::agent {

uint64_t lock_function_address[sites::kLockFunctionCount];

namespace {

using sites::LockEntry;
using sites::LockKind;

constexpr uint64_t kHead = 5 + 7 + 6 + 8;
constexpr int kMaxHooked = 256;
uint64_t hooked[kMaxHooked];
int hooked_count;

bool is_hooked(uint64_t at) {
  for (int i = 0; i < hooked_count; i++)
    if (hooked[i] == at) return true;
  return false;
}

void put32(uint8_t* at, int64_t value) {
  auto v = static_cast<int32_t>(value);
  memcpy(at, &v, 4);
}

// The bytes of the entry at `start`, to be executed at `code`. Returns where they end.
uint8_t* copy_entry(const LockEntry& e, uint64_t start, uint8_t* code) {
  auto* from = reinterpret_cast<const uint8_t*>(start);
  uint8_t n = e.short_branch ? e.short_branch : e.len;
  memcpy(code, from, n);
  for (uint8_t at : e.disp32_at) {
    if (at == 0) continue;
    int32_t old;
    memcpy(&old, code + at, 4);
    int64_t value = old + static_cast<int64_t>(start - reinterpret_cast<uint64_t>(code));
    if (value != static_cast<int32_t>(value)) return nullptr;
    put32(code + at, value);
  }
  uint8_t* end = code + n;
  if (!e.short_branch) return end;
  auto target = static_cast<int64_t>(start + e.len) + static_cast<int8_t>(from[n + 1]);
  end[0] = 0x0f;
  end[1] = static_cast<uint8_t>(0x80 | (from[n] & 0x0f));
  put32(end + 2, target - static_cast<int64_t>(reinterpret_cast<uint64_t>(end) + 6));
  return end + 6;
}

bool write_hook(const LockEntry& e, uint64_t start) {
  static constexpr uint8_t kCode[kHead - 8] = {0xb8, 0, 0, 0,    0,    0x4c, 0x8d, 0x1d, 14,
                                               0,    0, 0, 0xff, 0x25, 0,    0,    0,    0};
  uint64_t at = trampoline_room(start, kHead + e.len + 4 + 5);
  if (!at) return false;
  auto* code = reinterpret_cast<uint8_t*>(at);
  memcpy(code, kCode, sizeof kCode);
  code[1] = e.function;
  const bool serialized = sites::kLockFunctions[e.function].kind == LockKind::kSerialized;
  auto door = reinterpret_cast<uint64_t>(serialized ? &mx_serialized_entry : &mx_lock_entry);
  memcpy(code + sizeof kCode, &door, 8);
  uint8_t* end = copy_entry(e, start, code + kHead);
  if (!end) return false;
  end[0] = 0xe9;
  put32(end + 1, static_cast<int64_t>(start + e.len - (reinterpret_cast<uint64_t>(end) + 5)));
  auto* entry = reinterpret_cast<uint8_t*>(start);
  entry[0] = 0xe9;
  put32(entry + 1, static_cast<int64_t>(at - (start + 5)));
  memset(entry + 5, 0xcc, e.len - 5);
  return true;
}

}  // namespace

void hook_entries(const sites::SiteTable& table, const CodeRegion& region) {
  uint64_t size = region.end - region.begin;
  for (uint32_t i = 0; i < table.entries; i++) {
    const LockEntry& e = table.lock_entries()[i];
    if (e.file_offset < region.file_offset || e.function >= sites::kLockFunctionCount) continue;
    uint64_t at = e.file_offset - region.file_offset;
    if (at + e.len > size || is_hooked(region.begin + at)) continue;
    uint64_t start = region.begin + at;
    lock_function_address[e.function] = start;
    if (e.len < 5 || hooked_count == kMaxHooked) continue;
    if (write_hook(e, start)) hooked[hooked_count++] = start;
  }
}

void forget_entries(uint64_t begin, uint64_t end) {
  for (int i = 0; i < hooked_count;) {
    if (hooked[i] >= begin && hooked[i] < end)
      hooked[i] = hooked[--hooked_count];
    else
      i++;
  }
}

}  // namespace mx::agent
