#include "shim/agent/ethtool.h"

#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

struct Command {
  uint32_t number;
  uint16_t size;  ///< of what it writes, with the command itself
};
// ETHTOOL_G… and their structures, linux/ethtool.h.
constexpr Command kCommands[] = {
    {0x01, 44}, {0x03, 196}, {0x05, 20}, {0x07, 8},  {0x0a, 8},  {0x0e, 92}, {0x10, 36}, {0x12, 16}, {0x14, 8}, {0x16, 8},
    {0x18, 8},  {0x1e, 8},   {0x21, 8},  {0x23, 8},  {0x25, 8},  {0x2b, 8},  {0x3c, 36}, {0x41, 44}, {0x4c, 48},
};
constexpr uint32_t kLinkSettings = 0x4c;  // three masks follow, of so many words each as stands at …
constexpr uint64_t kMaskWords = 15;

}  // namespace

void measure_ethtool(Call& c) {
  struct {
    char name[16];
    uint64_t data;
    uint64_t rest[2];
  } request;  // struct ifreq
  uint8_t start[kMaskWords + 1] = {};
  c.blob = c.blob_size = 0;
  if (!copy_guarded(&request, reinterpret_cast<void*>(c.args[2]), sizeof request)) return;
  if (!copy_guarded(start, reinterpret_cast<void*>(request.data), 4)) return;
  uint32_t number;
  memcpy(&number, start, sizeof number);
  for (const Command& known : kCommands)
    if (known.number == number) c.blob_size = known.size;
  c.blob = request.data;
  if (number != kLinkSettings || !copy_guarded(start, reinterpret_cast<void*>(request.data), sizeof start)) return;
  const auto words = static_cast<int8_t>(start[kMaskWords]);
  if (words > 0) c.blob_size += 3 * sizeof(uint32_t) * static_cast<uint64_t>(words);
}

}  // namespace mx::agent
