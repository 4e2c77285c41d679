// The inner runtime (runc, crun) that does the work.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

#include "oci/cli/command_line.hpp"
#include "oci/settings/config_file.hpp"

namespace mx::oci {

struct Inner {
  std::filesystem::path program;
  bool is_runc = true;
};

// The first of config.inner that is an absolute path to a program or found in PATH.
// Throws Failure naming what was looked for.
Inner find_inner(const Config& config);

// Where the inner runtime keeps ID/state.json (runc) or ID/status (crun): --root or its default.
std::filesystem::path runtime_root(const Inner& inner, const CommandLine& line);

// Becomes the inner runtime with these words. Throws Failure if it cannot be executed.
[[noreturn]] void exec_inner(const Inner& inner, const std::vector<std::string>& words);

// Runs the inner runtime as a child, passing signals on, and returns its exit status (128+n if a
// signal ended it). The child dies with this process. Standard input, output, error and the working
// folder are this process's.
int run_inner(const Inner& inner, const std::vector<std::string>& words);

}  // namespace mx::oci
