#include "shim/agent/compared.h"

#include "shim/agent/lane.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {
enum Head : uint8_t { kPointers, kSampleSize, kWide, kZero, kHeadSize };

bool has_value(const sys::Arg& a) { return !sys::is_memory(a.kind) && a.compare; }

uint32_t values_end(const sys::Desc& d, uint8_t wide) {
  uint32_t end = kHeadSize;
  for (int i = 0; i < d.nargs; i++)
    if (has_value(d.args[i])) end += wide >> i & 1 ? 8 : 4;
  return static_cast<uint32_t>(stream::padded(end));
}
}  // namespace

void fill_values(const Call& c, Compared& of) {
  of.sample_size = 0;
  for (int i = 0; i < c.d->nargs; i++) of.values[i] = sys::compared_value(*c.d, i, c.args);
}

uint32_t pack(const sys::Desc& d, const Compared& from, uint8_t* to) {
  uint8_t pointers = 0, wide = 0;
  uint32_t at = kHeadSize;
  for (int i = 0; i < d.nargs; i++) {
    const uint64_t value = from.values[i];
    if (sys::is_memory(d.args[i].kind)) {
      pointers |= static_cast<uint8_t>((value & 1) << i);
    } else if (d.args[i].compare) {
      const bool large = value >> 32;
      wide |= static_cast<uint8_t>(large << i);
      memcpy(to + at, &value, large ? 8 : 4);
      at += large ? 8 : 4;
    }
  }
  to[kPointers] = pointers;
  to[kSampleSize] = static_cast<uint8_t>(from.sample_size);
  to[kWide] = wide;
  to[kZero] = 0;
  while (at % 8) to[at++] = 0;
  memcpy(to + at, from.sample, from.sample_size);
  for (at += from.sample_size; at % 8;) to[at++] = 0;
  return at;
}

uint32_t peek_compared(Thread* t, uint64_t offset, long nr, Compared& to) {
  const sys::Desc& d = sys::describe(nr);
  uint8_t packed[kMostPacked];
  lane_peek(t, offset, packed, 8);
  const uint32_t values = values_end(d, packed[kWide]);
  const uint32_t sample = packed[kSampleSize];
  if (sample > Compared::kSample) return 0;
  const auto size = values + static_cast<uint32_t>(stream::padded(sample));
  lane_peek(t, offset + 8, packed + 8, size - 8);
  uint32_t at = kHeadSize;
  for (int i = 0; i < d.nargs; i++) {
    to.values[i] = packed[kPointers] >> i & 1;
    if (!has_value(d.args[i])) continue;
    const uint32_t n = packed[kWide] >> i & 1 ? 8 : 4;
    to.values[i] = 0;
    memcpy(&to.values[i], packed + at, n);
    at += n;
  }
  to.sample_size = sample;
  memcpy(to.sample, packed + values, sample);
  return size;
}

}  // namespace mx::agent
