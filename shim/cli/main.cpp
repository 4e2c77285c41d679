// mx: the command line. Each verb has a file of its own.
#include <cstdio>
#include <cstring>
#include <initializer_list>

#include "oci/configure/edit.hpp"
#include "oci/store/store.hpp"
#include "shim/cli/verbs.h"

namespace {

struct Verb {
  const char* name;
  int (*run)(int argc, char** argv);
  const char* usage;
};

constexpr Verb kVerbs[] = {
    {"run", mx::cli::run, "run --old PROGRAM --new PROGRAM [options] [-- ARGS...]"},
    {"compare", mx::cli::compare, "compare --old PROGRAM --new PROGRAM [-- ARGS...]"},
    {"ps", mx::cli::ps, "ps [-a] [--json]"},
    {"status", mx::cli::status, "status [--json] ID"},
    {"events", mx::cli::events, "events [-f] ID"},
    {"promote", mx::cli::promote, "promote ID old|new"},
    {"drop", mx::cli::drop, "drop ID old|new"},
    {"replay", mx::cli::replay, "replay BUNDLE [--gdb]"},
    {"analyze", mx::cli::analyze,
     "analyze OLD NEW [--format text|json|dot|html] [--function NAME]"},
    {"image", mx::oci::image_main, "image add NAME SOURCE | ls | rm NAME | gc"},
    {"configure", mx::oci::configure_main,
     "configure docker|containerd|crio|podman [--dry-run] [--undo] [--set-default]"},
    {"doctor", mx::cli::doctor, "doctor [--json] [--no-containers]"},
};

void usage(FILE* to) {
  fputs("mx: run two versions of a program as one\n\n", to);
  for (const Verb& v : kVerbs) fprintf(to, "  mx %s\n", v.usage);
  fputs("\n  mx VERB --help says more.  mx --version\n", to);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    usage(stderr);
    return 125;
  }
  for (const Verb& v : kVerbs)
    if (std::strcmp(argv[1], v.name) == 0) return v.run(argc - 1, argv + 1);
  for (const char* help : {"--help", "help", "-h"}) {
    if (std::strcmp(argv[1], help) != 0) continue;
    usage(stdout);
    return 0;
  }
  if (std::strcmp(argv[1], "--version") == 0) {
    puts("mx " MX_VERSION);
    return 0;
  }
  fprintf(stderr, "mx: unknown command '%s'; see mx --help\n", argv[1]);
  return 125;
}
