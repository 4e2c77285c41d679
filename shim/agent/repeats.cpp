#include "shim/agent/repeats.h"

#include "shim/agent/bulk.h"
#include "shim/agent/memory.h"
#include "shim/agent/threads.h"

namespace mx::agent {

namespace {

constexpr uint64_t kLeast = 512, kMost = 32 * 1024;  // bytes of a result that may be kept
constexpr uint32_t kSets = 16, kWays = 4, kSlots = kSets * kWays;
constexpr uint64_t kSampled = 64;  // bytes at the beginning, in the middle and at the end

}  // namespace

struct Repeats {
  struct Slot {
    uint64_t sample;
    uint32_t size;  // 0: nothing
  };
  Slot slots[kSlots];
  uint32_t next[kSets];  // way to be filled next; the leader's alone
  alignas(stream::kPage) uint8_t bytes[kSlots][kMost];
};
static_assert(sizeof(Repeats) <= kRepeatsSize);
static_assert(kLeast >= kBulk);

namespace {

uint64_t sample_of(const uint8_t* bytes, uint64_t n) {
  uint64_t h = digest(n, bytes, kSampled);
  h = digest(h, bytes + (n - kSampled) / 2, kSampled);
  return digest(h, bytes + n - kSampled, kSampled);
}

bool equal(const uint8_t* a, const uint8_t* b, uint64_t n) {
  const uint64_t whole = n / kBulkStep * kBulkStep;
  return bulk_equal(a, b, whole) && memcmp(a + whole, b + whole, n - whole) == 0;
}

// True if it has been noted lately; notes it.
bool seen(Thread* t, uint64_t sample) {
  constexpr uint64_t kCount = sizeof t->sightings / sizeof t->sightings[0];
  auto mark = static_cast<uint32_t>(sample >> 32) | 1;
  uint32_t& place = t->sightings[sample % kCount];
  const bool again = place == mark;
  place = mark;
  return again;
}

Repeats* made(Thread* t) {
  if (!t->repeats) t->repeats = static_cast<Repeats*>(map_repeats(t));
  return t->repeats;
}

}  // namespace

Travel plan_travel(Thread* t, const void* from, uint64_t n) {
  const Travel plain{static_cast<uint32_t>(n), 0, false};
  if (n < kLeast || n > kMost) return plain;
  auto* bytes = static_cast<const uint8_t*>(from);
  const uint64_t sample = sample_of(bytes, n);
  const auto set = static_cast<uint32_t>(sample % kSets);
  Repeats* r = t->repeats;
  for (uint32_t k = set * kWays; r && k < (set + 1) * kWays; k++)
    if (r->slots[k].sample == sample && r->slots[k].size == n && equal(r->bytes[k], bytes, n))
      return {plain.size, static_cast<uint8_t>(k + 1), true};
  if (!seen(t, sample) || !(r = made(t))) return plain;
  const uint32_t k = set * kWays + r->next[set]++ % kWays;
  r->slots[k].size = 0;
  memcpy(r->bytes[k], bytes, n);
  return {plain.size, static_cast<uint8_t>(k + 1), false};
}

uint8_t* slot_to_fill(Thread* t, const Travel& how) {
  if (how.slot == 0 || how.slot > kSlots || how.size < kLeast || how.size > kMost) return nullptr;
  Repeats* r = made(t);
  if (!r) return nullptr;
  r->slots[how.slot - 1].size = 0;
  return r->bytes[how.slot - 1];
}

void slot_filled(Thread* t, const Travel& how) {
  if (how.slot == 0 || how.same) return;
  Repeats::Slot& s = t->repeats->slots[how.slot - 1];
  s.sample = sample_of(t->repeats->bytes[how.slot - 1], how.size);
  s.size = how.size;
}

const uint8_t* slot_bytes(const Thread* t, const Travel& how) {
  const Repeats* r = t->repeats;
  if (!r || how.slot == 0 || how.slot > kSlots) return nullptr;
  const uint32_t size = r->slots[how.slot - 1].size;
  return how.same && size != how.size ? nullptr : r->bytes[how.slot - 1];
}

}  // namespace mx::agent
