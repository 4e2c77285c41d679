// The part of a call's event that both versions are compared by: values of arguments, and a sample
// of what was written, for the report. In the lane it is packed, most values are small:
//
//     +----------+--------+------+------+----------------------------+---------+----------------+
//     | pointers | sample | wide | 0    | values, 4 or 8 bytes each  | padding | sample, padded |
//     +----------+--------+------+------+----------------------------+---------+----------------+
//          1         1       1      1
//
// A bit each of `pointers` (there is an address) and `wide` (a value of 8 bytes), by argument;
// `sample`: bytes of it. Which arguments have a value is known from the call's description.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

struct Compared {
  static constexpr uint32_t kSample = 128;
  uint64_t values[6];
  uint32_t sample_size;
  uint8_t sample[kSample];
};

/// Room for a packed one.
inline constexpr uint32_t kMostPacked = 56 + Compared::kSample;

/// Values of the call's arguments; no sample.
void fill_values(const Call& c, Compared& of);
/// Returns the size, a multiple of 8, at most kMostPacked.
uint32_t pack(const sys::Desc& d, const Compared& from, uint8_t* to);
/// At `offset` from the cursor, of an event of call `nr`. Returns the size there; 0: it is damaged.
uint32_t peek_compared(Thread* t, uint64_t offset, long nr, Compared& to);

}  // namespace mx::agent
