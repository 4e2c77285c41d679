#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <set>
#include <utility>

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

// As the options of `mx run` say it in words.
struct Words {
  std::string leader = "old", lockstep = "window", recovery = "on", threads = "parallel";
};

bool is_one_of(const std::string& word, const char* a, const char* b) {
  return word == a || word == b;
}

// The usual command line: options that take a word, each with a proper one. Building the parser of
// all options touches a dozen pages more, some 0.3 ms in a virtual machine. False: the parser has
// to look, and to say what is wrong.
bool read_plain(int argc, char** argv, monitor::Options& o, Words& w) {
  const std::pair<const char*, std::string*> known[] = {
      {"--old", &o.program[0]},    {"--new", &o.program[1]},      {"--old-root", &o.root[0]},
      {"--new-root", &o.root[1]},  {"--leader", &w.leader},       {"--lockstep", &w.lockstep},
      {"--recovery", &w.recovery}, {"--threads", &w.threads},     {"--rules", &o.rules},
      {"--report", &o.report},     {"--crash-dir", &o.crash_dir}, {"--id", &o.id}};
  std::set<std::string*> seen;
  for (int i = 1; i < argc; i += 2) {
    const auto found = std::find_if(std::begin(known), std::end(known), [&](const auto& option) {
      return std::strcmp(option.first, argv[i]) == 0;
    });
    const char* value = i + 1 < argc ? argv[i + 1] : "";
    const bool plain = *value != 0 && (*value != '-' || std::strcmp(value, "-") == 0) &&
                       std::strpbrk(value, "[]\"',{}") == nullptr;
    if (found == std::end(known) || !plain || !seen.insert(found->second).second) return false;
    *found->second = value;
  }
  return !o.program[0].empty() && !o.program[1].empty() && is_one_of(w.leader, "old", "new") &&
         is_one_of(w.lockstep, "window", "full") && is_one_of(w.recovery, "on", "off") &&
         is_one_of(w.threads, "parallel", "serial");
}

int run_monitor(monitor::Options& o, const Words& w) {
  o.leader = w.leader == "old" ? stream::Version::kOld : stream::Version::kNew;
  o.full_lockstep = w.lockstep == "full";
  o.recovery = w.recovery == "on";
  o.serial_threads = w.threads == "serial";
  try {
    check_options(o);
    return monitor::Monitor(o).run();
  } catch (const monitor::Error& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return e.status;
  }
}

int parse_and_run(int argc, char** argv, monitor::Options& o) {
  Words w;
  CLI::App app{
      "Runs an old and a new version of a program side by side as one program.\n"
      "mx run --old PROGRAM --new PROGRAM [OPTIONS] [-- ARGS...]: ARGS go to both programs.",
      "mx run"};
  app.footer(kFooter);
  app.add_option("--old", o.program[0], "the old version's program")
      ->required()
      ->type_name("PROGRAM");
  app.add_option("--new", o.program[1], "the new version's program")
      ->required()
      ->type_name("PROGRAM");
  app.add_option("--old-root", o.root[0], "root tree of the old version (default: /)")
      ->type_name("DIR");
  app.add_option("--new-root", o.root[1], "root tree of the new version (default: /)")
      ->type_name("DIR");
  app.add_option("--leader", w.leader, "which version executes system calls (default: old)")
      ->check(CLI::IsMember({"old", "new"}))
      ->type_name("old|new");
  app.add_option("--lockstep", w.lockstep,
                 "window: the follower may lag a little; full: both must agree before anything\n"
                 "visible leaves (default: window)")
      ->check(CLI::IsMember({"window", "full"}))
      ->type_name("window|full");
  app.add_option("--recovery", w.recovery, "bring a crashed version back (default: on)")
      ->check(CLI::IsMember({"on", "off"}))
      ->type_name("on|off");
  app.add_option(
         "--threads", w.threads,
         "serial: one thread of a process runs at a time, for programs whose threads decide\n"
         "by memory who does what: node, Go, JVMs, ruby (default: parallel)")
      ->check(CLI::IsMember({"parallel", "serial"}))
      ->type_name("parallel|serial");
  app.add_option("--hang-timeout", o.hang_timeout_s,
                 "seconds without progress that count as a hang; 0: never (default: 10)")
      ->check(CLI::NonNegativeNumber)
      ->type_name("SECONDS");
  app.add_option("--rules", o.rules, "expected divergences")->type_name("FILE");
  app.add_option("--report", o.report, "JSON lines, one event each; '-' for standard error")
      ->type_name("FILE");
  app.add_option(
         "--crash-dir", o.crash_dir,
         "where the folder of each crash goes (default: in the state folder, see mx events)")
      ->type_name("DIR");
  app.add_flag("--replay-bundle", o.replay_bundle,
               "keep in the folder of a crash what mx replay needs to make it come again: the\n"
               "program's memory before it, and what it was given since");
  app.add_flag("--core", o.core,
               "write a core file of the version that crashed into the folder of the crash");
  app.add_option("--id", o.id, "name of this run for mx ps, status, promote (default: a fresh one)")
      ->type_name("ID");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  }
  return run_monitor(o, w);
}

}  // namespace

int run(int argc, char** argv) {
  monitor::Options o;
  o.args = take_program_arguments(argc, argv, {"--core", "--replay-bundle"});
  Words words;
  monitor::Options plain = o;
  if (read_plain(argc, argv, plain, words)) return run_monitor(plain, words);
  return parse_and_run(argc, argv, o);
}

}  // namespace mx::cli
