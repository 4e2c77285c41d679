#include "oci/base/failure.hpp"

#include <system_error>

namespace mx::oci {

Failure system_failure(const std::string& what, int error) {
  return Failure(what + ": " + std::generic_category().message(error));
}

}  // namespace mx::oci
