#include "shim/agent/limits.h"

#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint32_t kAddressSpace = 9;  // RLIMIT_AS
constexpr uint64_t kNone = ~uint64_t{0};

bool is_raised(uint64_t resource) {
  const auto& raised = control()->settings.address_space;
  return static_cast<uint32_t>(resource) == kAddressSpace && (raised[0] || raised[1]);
}

}  // namespace

void present_limit(uint64_t resource, uint64_t at) {
  if (!at || !is_raised(resource)) return;
  guarded([at] {
    auto* limit = reinterpret_cast<uint64_t*>(at);
    for (int i = 0; i < 2; i++) {
      const uint64_t raised = control()->settings.address_space[i];
      if (limit[i] != kNone && limit[i] >= raised) limit[i] -= raised;
    }
  });
}

uint64_t limit_for_kernel(uint64_t resource, uint64_t at, uint64_t (&room)[4]) {
  if (!at || !is_raised(resource)) return at;
  if (!copy_guarded(room, reinterpret_cast<void*>(at), 16)) return at;
  for (int i = 0; i < 2; i++) {
    const uint64_t raised = control()->settings.address_space[i];
    if (room[i] < kNone - raised) room[i] += raised;
  }
  // A soft limit that had to be raised and a hard one that had room: the program may ask for all of
  // it.
  if (room[0] > room[1] && room[0] - control()->settings.address_space[0] <= room[1])
    room[0] = room[1];
  return reinterpret_cast<uint64_t>(room);
}

}  // namespace mx::agent
