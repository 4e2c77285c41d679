// A bundle's process as the settings of one version.
#pragma once

#include <string>

#include "oci/spec/document.hpp"
#include "oci/start/version_settings.hpp"

namespace mx::oci {

// Reads an OCI process object (of config.json or of `exec --process`). mx's variables and an init
// the engine put before the command (docker-init, catatonit) are taken out. Capabilities the kernel
// does not know are left out, as runc does. Throws Failure naming the member at fault.
start::VersionSettings version_from_process(const Json& process);

// The capabilities mx's monitor needs beside the user's (docs/security.md).
uint64_t monitor_capabilities();

// `process` changed so that uid 0 with the monitor's and the user's capabilities runs `args`.
// Terminal, limits, labels, no_new_privs and everything unknown stay.
Json process_for_monitor(const Json& process, const std::vector<std::string>& args,
                         const std::vector<std::string>& env);

}  // namespace mx::oci
