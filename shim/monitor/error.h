// Errors of mx itself: a sentence for the user and the exit status that goes with it.
#pragma once
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <string>

namespace mx::monitor {

struct Error : std::runtime_error {
  explicit Error(const std::string& what, int exit_status = 125)
      : std::runtime_error(what), status(exit_status) {}
  int status;
};

/// "`what`: <strerror(errno)>"
inline Error system_error(const std::string& what, int exit_status = 125) {
  return Error(what + ": " + std::strerror(errno), exit_status);
}

}  // namespace mx::monitor
