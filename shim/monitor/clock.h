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

/// The sooner of two waiting times in milliseconds; negative: no end.
inline int sooner(int a, int b) {
  if (a < 0) return b;
  return b < 0 || a < b ? a : b;
}

}  // namespace mx::monitor
