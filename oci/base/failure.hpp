// An error a user can act on: one sentence, built from a chain of causes.
#pragma once

#include <stdexcept>
#include <string>

namespace mx::oci {

// Thrown for everything that must stop a verb. what() is shown to the engine's user as it is, so it
// names the setting, the file or the command at fault.
class Failure : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Returns `what + ": " + strerror(error)` as a Failure. `error` is an errno value.
Failure system_failure(const std::string& what, int error);

}  // namespace mx::oci
