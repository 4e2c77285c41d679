// The monitor's clock.
#pragma once
#include <ctime>

namespace mx::monitor {

/// CLOCK_MONOTONIC, in seconds.
inline double seconds() {
  timespec ts;
  clock_gettime(CLOCK_MONOTONIC, &ts);
  return ts.tv_sec + ts.tv_nsec / 1e9;
}

}  // namespace mx::monitor
