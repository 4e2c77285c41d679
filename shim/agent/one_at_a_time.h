// A short piece of work that the threads of a process do one after the other.
#pragma once
#include <atomic>

#include "shim/agent/state.h"

namespace mx::agent {

/// Holds `busy` (0: free) while it lives; spins until it is free. Not for work that may block.
class OneAtATime {
 public:
  explicit OneAtATime(std::atomic<uint32_t>& busy) : busy_(busy) {
    while (busy_.exchange(1, std::memory_order_acquire)) pause();
  }
  ~OneAtATime() { busy_.store(0, std::memory_order_release); }
  OneAtATime(const OneAtATime&) = delete;
  OneAtATime& operator=(const OneAtATime&) = delete;

 private:
  std::atomic<uint32_t>& busy_;
};

}  // namespace mx::agent
