// mx replay: a crash comes again.
#include "shim/replay/replay.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "shim/cli/verbs.h"
#include "shim/monitor/error.h"

namespace mx::cli {

namespace {

constexpr const char* kFooter = R"(
BUNDLE is the folder of a crash (mx run --replay-bundle). The program is put back to
where it stood before the crash and goes through the same events, with nothing
outside of it; needed: the same files of the program and of its libraries. Of a crash
in a container: the root tree of the version's image, unpacked or mounted, by --root.
On a terminal gdb stops at the crash, if it is installed.

Exit status: 0 the crash came again at the same place; 1 it did not;
125 it could not be tried.
)";

bool installed(const char* program) {
  const char* path = getenv("PATH");
  for (const std::string& folder : CLI::detail::split(path ? path : "", ':'))
    if (access((folder + "/" + program).c_str(), X_OK) == 0) return true;
  return false;
}

}  // namespace

int replay(int argc, char** argv) {
  replay::ReplayOptions o;
  bool with = false, without = false;
  CLI::App app{"Makes a crash come again, from its replay bundle.", "mx replay"};
  app.footer(kFooter);
  app.add_option("bundle", o.folder, "the folder of the crash")->required()->type_name("BUNDLE");
  app.add_option("--root", o.root, "root tree of the version that crashed (default: where it was)")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_flag("--gdb", with, "under gdb; without a terminal it prints the stack and ends");
  app.add_flag("--no-gdb", without, "without gdb, also on a terminal")->excludes("--gdb");
  app.add_option("--limit", o.limit, "seconds until it gives up, without gdb (default: 60)")
      ->check(CLI::PositiveNumber)
      ->type_name("SECONDS");
  try {
    app.parse(argc, argv);
    o.interactive = isatty(0) && isatty(1);
    if (with && !installed("gdb")) throw std::runtime_error("gdb is not installed");
    o.debugger = with || (o.interactive && !without && installed("gdb"));
    switch (replay::replay(o)) {
      case replay::Outcome::kSamePlace:
        puts("the crash came again at the same place");
        return 0;
      case replay::Outcome::kElsewhere:
        puts("it crashed at another place");
        return 1;
      case replay::Outcome::kNoCrash:
        puts("it did not crash");
        return 1;
    }
    return 1;
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  } catch (const std::exception& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return 125;
  }
}

}  // namespace mx::cli
