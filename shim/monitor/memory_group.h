// The memory control group that this process runs in, as far as it can be seen from here.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

namespace mx::monitor {

class MemoryGroup {
 public:
  /// Looks for the group's folder: version 2 or 1, from inside a container or from the host.
  MemoryGroup();
  /// Bytes that all processes of the group may use together, if there is a limit.
  std::optional<uint64_t> limit() const;
  /// How many processes the kernel has killed in the group for want of memory. Where the group
  /// cannot be seen: on the whole machine.
  uint64_t kills() const;

 private:
  std::string folder_;  ///< "": not to be seen
  bool unified_ = false;
};

}  // namespace mx::monitor
