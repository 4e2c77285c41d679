// Telling the engine's user what went wrong, as runc does.
#pragma once

#include <string>

#include "oci/cli/command_line.hpp"

namespace mx::oci {

// Writes the message to the file of --log (one line in --log-format), or to standard error without
// --log: never to both, since podman shows standard error first, and never to standard output.
void report_error(const CommandLine& line, const std::string& message);

// A warning for the administrator, to the same place with level "warning"; nowhere without --log.
void report_warning(const CommandLine& line, const std::string& message);

}  // namespace mx::oci
