// mx analyze: hands over to mx-analyze, a program of its own, so that `mx run` does not load LIEF.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

#include "recovery/find_analyzer.h"
#include "shim/cli/verbs.h"

namespace mx::cli {

int analyze(int, char** argv) {
  std::string program = recovery::find_analyzer();
  if (program.empty()) {
    fputs("mx: mx-analyze is not installed: neither beside mx nor in ../libexec/mx\n", stderr);
    return 125;
  }
  execv(program.c_str(), argv);
  fprintf(stderr, "mx: cannot execute %s: %s\n", program.c_str(), strerror(errno));
  return 125;
}

}  // namespace mx::cli
