// Where in the arena's file what was published on a lane stands: in its log, or in its ring
// (agent/log.h moves it).
#pragma once
#include "shim/stream/arena.h"

namespace mx::stream {

inline uint64_t place_in_log(const Lane& lane, uint64_t index, uint64_t at) {
  return log_offset(index) + (at & (lane.log_size - 1));
}

/// Reads bytes of lane `index` from position `at` on, as many of `n` as stand side by side, by
/// read(to, size, offset), which is pread(2) of the arena's file. Returns how many; 0: none can be
/// read.
template <typename Read>
uint64_t read_lane_part(const Lane& lane, uint64_t index, uint64_t at, void* to, uint64_t n,
                        Read&& read) {
  for (;;) {
    const uint64_t logged = lane.logged.load();
    const bool old = lane.log_size && at < logged;
    const uint64_t length = old ? lane.log_size : kLag, begin = at & (length - 1);
    uint64_t part = n < length - begin ? n : length - begin;
    if (old && part > logged - at) part = logged - at;
    const int64_t got =
        read(to, part, old ? place_in_log(lane, index, at) : ring_offset(index) + begin);
    if (got <= 0) return 0;
    // What was in the ring may have been written over meanwhile: then it is in the log.
    if (!old && lane.log_size && lane.logged.load() > at) continue;
    return static_cast<uint64_t>(got);
  }
}

/// All of `n` bytes. False: they cannot be read.
template <typename Read>
bool read_lane(const Lane& lane, uint64_t index, uint64_t at, void* to, uint64_t n, Read&& read) {
  auto* out = static_cast<uint8_t*>(to);
  while (n) {
    const uint64_t part = read_lane_part(lane, index, at, out, n, read);
    if (!part) return false;
    at += part;
    out += part;
    n -= part;
  }
  return true;
}

}  // namespace mx::stream
