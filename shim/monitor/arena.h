// The monitor's end of the arena: creates the file, puts the agent's image into it.
#pragma once
#include <string>

#include "shim/monitor/error.h"
#include "shim/stream/arena.h"

namespace mx::monitor {

/// A word that the versions can change at any moment, read once: what was checked is what is used.
template <typename T>
T fetched(const T& word) {
  return *const_cast<const volatile T*>(&word);
}

class Arena {
 public:
  /// Creates the memfd and maps it at kArenaBase. Throws Error.
  Arena();
  /// Copies the agent's image in: before the first process boots. Throws Error.
  void put_agent_in() const;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// What the soft and the hard limit of address space were raised by for it (0: there is none, or
  /// there was room).
  const uint64_t (&raised() const)[2] { return raised_; }
  int fd() const { return fd_; }
  stream::Control& control() const { return *control_; }
  uint8_t* at(uint64_t offset) const { return base_ + offset; }

 private:
  void raise_limit();

  uint64_t raised_[2] = {0, 0};
  int fd_ = -1;
  uint8_t* base_ = nullptr;
  stream::Control* control_ = nullptr;
};

/// Addresses inside the agent's image (from the linker) and the image itself.
struct AgentImage {
  static const uint8_t* bytes();
  static size_t size();
  static uint64_t text_size();
  static uint64_t data_size();
  static uint64_t start();
  /// The boot code, position independent, and where the BootInfo stands in it.
  static const uint8_t* boot_code();
  static size_t boot_size();
  static size_t boot_info_offset();
};

}  // namespace mx::monitor
