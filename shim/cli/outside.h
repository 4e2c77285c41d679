// Runs one program alone and notes what the outside world can see of it.
#pragma once
#include <string>
#include <vector>

namespace mx::cli {

struct Outside {
  std::string out, err;  ///< standard output and error
  int status = 0;        ///< exit status, 128+n if it died of signal n
  std::vector<std::string>
      calls;  ///< system calls with an effect outside, in the order of their end, strace-like
  bool cut = false;  ///< more output or calls than are kept
};

/// Runs `program` with `args` (argv[0] included) in `root` ("" for /) under ptrace, with standard
/// input from /dev/null. Throws monitor::Error.
Outside run_alone(const std::string& program, const std::string& root,
                  const std::vector<std::string>& args);

}  // namespace mx::cli
