// mx analyze: hands over to mx-analyze, a program of its own, so that `mx run` does not load LIEF.
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "shim/cli/verbs.h"

namespace mx::cli {

namespace {

namespace fs = std::filesystem;

// Beside mx, in libexec of the same prefix (as installed), or where the build puts it. Empty: nowhere.
fs::path find_analyzer() {
  std::error_code ignored;
  fs::path here = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* place : {"mx-analyze", "../libexec/mx/mx-analyze", "../../analyzer/mx-analyze"})
    if (access((here / place).c_str(), X_OK) == 0) return here / place;
  return {};
}

}  // namespace

int analyze(int, char** argv) {
  fs::path program = find_analyzer();
  if (program.empty()) {
    fputs("mx: mx-analyze is not installed: neither beside mx nor in ../libexec/mx\n", stderr);
    return 125;
  }
  execv(program.c_str(), argv);
  fprintf(stderr, "mx: cannot execute %s: %s\n", program.c_str(), strerror(errno));
  return 125;
}

}  // namespace mx::cli
