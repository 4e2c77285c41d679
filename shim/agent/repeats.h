// Results that come again. A server reads the same file for each request, and its bytes would fill
// lane and log: of lighttpd with files of 10 KiB they were 97 % of both. So each thread keeps some
// large results, in slots; one that is seen for the second time goes into a slot, and from then on
// its event says in which slot the bytes are.
//
// The leader decides, the follower does as the event says: after the same event both have the same
// bytes in the same slots. The slots are private memory, so the copy of a checkpoint has those of
// its place, and replay goes on from there.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// How a result's bytes travel. On the lane it is the word before them.
struct Travel {
  uint32_t size;
  uint8_t slot;  ///< + 1; 0: the bytes are on the lane, and not kept
  bool same;     ///< they are not on the lane, but in the slot; else both versions put them there
};
constexpr uint64_t word_of(const Travel& t) {
  return t.size | uint64_t{t.slot} << 32 | uint64_t{t.same} << 40;
}
constexpr Travel travel_of(uint64_t word) {
  return {static_cast<uint32_t>(word), static_cast<uint8_t>(word >> 32), (word >> 40 & 1) != 0};
}
/// Bytes of it on the lane.
constexpr uint64_t on_lane(const Travel& t) { return t.same ? 0 : t.size; }

/// Leader: how these bytes shall travel. If they are to be kept, they are in slot_bytes() already,
/// but count only after slot_filled().
Travel plan_travel(Thread* t, const void* bytes, uint64_t n);
/// Follower, before it fills a slot: where. Null: there is no such slot, or no memory.
uint8_t* slot_to_fill(Thread* t, const Travel& how);
/// The event that fills the slot is complete.
void slot_filled(Thread* t, const Travel& how);
/// The bytes of a slot. Null: it does not hold as many.
const uint8_t* slot_bytes(const Thread* t, const Travel& how);

}  // namespace mx::agent
