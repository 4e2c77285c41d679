#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>

#include "shim/cli/program_arguments.h"
#include "shim/cli/program_check.h"
#include "shim/cli/verbs.h"
#include "shim/monitor/monitor.h"

namespace mx::cli {

namespace {

constexpr const char* kFooter = R"(
The leader executes the program's system calls; the other version follows and
takes over when the leader crashes, hangs or exits wrongly.

Exit status: the program's own; 128+n if it died of signal n in both versions;
125 if mx itself failed; 126/127 if a program cannot be executed / is not found.

Examples:
  mx run --old /opt/redis-7.0.11/redis-server --new /opt/redis-7.0.15/redis-server -- --port 6379
  mx run --old ./server.v1 --new ./server.v2 --leader new --report /var/log/mx.jsonl -- -c server.conf
)";

}  // namespace

int run(int argc, char** argv) {
  monitor::Options o;
  o.args = take_program_arguments(argc, argv);
  std::string leader = "old", lockstep = "window", recovery = "on";
  CLI::App app{"Runs an old and a new version of a program side by side as one program.\n"
               "mx run --old PROGRAM --new PROGRAM [OPTIONS] [-- ARGS...]: ARGS go to both programs.", "mx run"};
  app.footer(kFooter);
  app.add_option("--old", o.program[0], "the old version's program")->required()->type_name("PROGRAM");
  app.add_option("--new", o.program[1], "the new version's program")->required()->type_name("PROGRAM");
  app.add_option("--old-root", o.root[0], "root tree of the old version (default: /)")->type_name("DIR");
  app.add_option("--new-root", o.root[1], "root tree of the new version (default: /)")->type_name("DIR");
  app.add_option("--leader", leader, "which version executes system calls (default: old)")
      ->check(CLI::IsMember({"old", "new"}))->type_name("old|new");
  app.add_option("--lockstep", lockstep,
                 "window: the follower may lag a little; full: both must agree before anything\n"
                 "visible leaves (default: window)")
      ->check(CLI::IsMember({"window", "full"}))->type_name("window|full");
  app.add_option("--recovery", recovery, "bring a crashed version back (default: on)")
      ->check(CLI::IsMember({"on", "off"}))->type_name("on|off");
  app.add_option("--hang-timeout", o.hang_timeout_s, "seconds without progress that count as a hang; 0: never (default: 10)")
      ->check(CLI::NonNegativeNumber)->type_name("SECONDS");
  app.add_option("--rules", o.rules, "expected divergences")->type_name("FILE");
  app.add_option("--report", o.report, "JSON lines, one event each; '-' for standard error")->type_name("FILE");
  app.add_option("--crash-dir", o.crash_dir, "where the folder of each crash goes (default: in the state folder, see mx events)")->type_name("DIR");
  app.add_flag("--replay-bundle", o.replay_bundle, "keep in the folder of a crash what mx replay needs to make it come again: the\n"
               "program's memory before it, and what it was given since");
  app.add_flag("--core", o.core, "write a core file of the version that crashed into the folder of the crash");
  app.add_option("--id", o.id, "name of this run for mx ps, status, promote (default: a fresh one)")->type_name("ID");
  try {
    app.parse(argc, argv);
    o.leader = leader == "old" ? stream::Version::kOld : stream::Version::kNew;
    o.full_lockstep = lockstep == "full";
    o.recovery = recovery == "on";
    check_options(o);
    return monitor::Monitor(o).run();
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  } catch (const monitor::Error& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return e.status;
  }
}

}  // namespace mx::cli
