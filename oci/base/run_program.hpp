// Runs another program and waits for it.
#pragma once

#include <string>
#include <vector>

namespace mx::oci {

struct ProgramResult {
  int status = 0;      // exit status, or 128 + signal
  std::string output;  // standard output
  std::string errors;  // standard error
};

// Runs args[0] (looked up in PATH) with no standard input and collects what it writes.
// Throws Failure when it cannot be started; a non-zero status is left to the caller.
ProgramResult run_program(const std::vector<std::string>& args);

// As run_program, but a non-zero status is a Failure that quotes the program's last error line.
std::string run_or_fail(const std::vector<std::string>& args);

// The full path of `name` in `path_list` (colon separated), or "".
std::string find_in_path(const std::string& name, const std::string& path_list);

// PATH of this process with the system folders added (engines start runtimes with a short PATH).
std::string search_path();

}  // namespace mx::oci
