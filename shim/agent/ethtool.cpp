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
    {0x01, 44}, {0x03, 196}, {0x05, 20}, {0x07, 8},  {0x0a, 8},  {0x0e, 92}, {0x10, 36},
    {0x12, 16}, {0x14, 8},   {0x16, 8},  {0x18, 8},  {0x1e, 8},  {0x21, 8},  {0x23, 8},
    {0x25, 8},  {0x2b, 8},   {0x3c, 36}, {0x41, 44}, {0x4c, 48},
};
constexpr uint32_t kLinkSettings =
    0x4c;  // three masks follow, of so many words each as stands at …
constexpr uint64_t kMaskWords = 15;

// struct ifconf
struct List {
  int32_t size;
  uint64_t at;
};

bool read_list(const Call& c, List& list) {
  return copy_guarded(&list, reinterpret_cast<void*>(c.args[2]), sizeof list);
}

}  // namespace

void measure_interfaces(Call& c) {
  constexpr uint64_t kMost = 64 * 1024;
  List list;
  c.blob = c.blob_size = 0;
  if (!read_list(c, list) || list.size < 0) return;
  c.blob = list.at ? list.at : c.args[2];
  c.blob_size = list.at ? static_cast<uint64_t>(list.size) : sizeof list.size;
  if (c.blob_size > kMost) c.blob_size = kMost;
}

void finish_interfaces(Call& c) {
  List list;
  if (!c.blob_size || c.ret < 0 || !read_list(c, list) || !list.at || list.size < 0) return;
  if (static_cast<uint64_t>(list.size) < c.blob_size)
    c.blob_size = static_cast<uint64_t>(list.size);
}

void localise_interfaces(const Call& c) {
  List list;
  const auto size = static_cast<int32_t>(c.blob_size);
  if (c.consumed && read_list(c, list) && list.at)
    copy_guarded(reinterpret_cast<void*>(c.args[2]), &size, sizeof size);
}

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
  if (number != kLinkSettings ||
      !copy_guarded(start, reinterpret_cast<void*>(request.data), sizeof start))
    return;
  const auto words = static_cast<int8_t>(start[kMaskWords]);
  if (words > 0) c.blob_size += 3 * sizeof(uint32_t) * static_cast<uint64_t>(words);
}

}  // namespace mx::agent
