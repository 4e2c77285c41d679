// mx: the command line. Each verb has a file of its own.
#include <cstdio>
#include <cstring>
#include <string>

#include "shim/cli/verbs.h"

namespace {

constexpr const char* kUsage =
    "mx: run two versions of a program as one\n"
    "\n"
    "  mx run --old PROGRAM --new PROGRAM [options] [-- ARGS...]\n"
    "  mx analyze OLD NEW [--format text|json|dot|html] [--function NAME]\n"
    "  mx run --help, mx analyze --help\n"
    "  mx --version\n";

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fputs(kUsage, stderr);
    return 125;
  }
  std::string verb = argv[1];
  if (verb == "run") return mx::cli::run(argc - 1, argv + 1);
  if (verb == "analyze") return mx::cli::analyze(argc - 1, argv + 1);
  if (verb == "--help" || verb == "help" || verb == "-h") {
    fputs(kUsage, stdout);
    return 0;
  }
  if (verb == "--version") {
    puts("mx " MX_VERSION);
    return 0;
  }
  fprintf(stderr, "mx: unknown command '%s'; see mx --help\n", argv[1]);
  return 125;
}
