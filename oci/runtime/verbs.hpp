// The verbs in which mx-runtime does more than become the inner runtime. Each returns the exit
// status, or does not return because it became the inner runtime.
#pragma once

#include "oci/cli/command_line.hpp"
#include "oci/runtime/inner.hpp"
#include "oci/settings/config_file.hpp"

namespace mx::oci {

// create and run: rewrites config.json for the time the inner runtime reads it.
int create_verb(const Config& config, const Inner& inner, const CommandLine& line);

// exec: the command runs in the leader's root with the user's own rights.
int exec_verb(const Config& config, const Inner& inner, const CommandLine& line);

// checkpoint: refused for a container with two versions.
int checkpoint_verb(const Config& config, const Inner& inner, const CommandLine& line);

// delete: what the poststop hook does, where there is none (run.mx.optional, failed creates).
int delete_verb(const Config& config, const Inner& inner, const CommandLine& line);

}  // namespace mx::oci
