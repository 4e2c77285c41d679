// mx ps, status, events, promote, drop: the operator's verbs, for runs and containers alike.
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "oci/base/failure.hpp"
#include "oci/settings/config_file.hpp"
#include "oci/state/main.hpp"
#include "shim/cli/verbs.h"
#include "shim/operator/client.h"
#include "shim/operator/state.h"

namespace mx::cli {

using nlohmann::ordered_json;

namespace {

constexpr double kStatusLimit = 3, kChangeLimit = 60;

// Text that came from a file or a monitor, for a terminal: no control characters.
std::string clean(const std::string& text) {
  std::string out;
  for (char c : text) out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  return out;
}

std::string text_at(const ordered_json& j, const char* key) {
  const auto it = j.is_object() ? j.find(key) : j.end();
  if (!j.is_object() || it == j.end()) return "-";
  return clean(it->is_string() ? it->get<std::string>() : it->dump());
}

const oci::Config& config() {
  static const oci::Config once = oci::load_config();
  return once;
}

int run_verb(CLI::App& app, int argc, char** argv, const std::function<int()>& f) {
  try {
    app.parse(argc, argv);
    op::also_look_in(config().state);
    return f();
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  } catch (const std::exception& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return 1;
  }
}

std::string duration(const ordered_json& seconds) {
  if (!seconds.is_number()) return "-";
  const auto s = static_cast<long>(seconds.get<double>());
  char text[32];
  if (s < 60)
    snprintf(text, sizeof text, "%lds", s);
  else if (s < 3600)
    snprintf(text, sizeof text, "%ldm%02lds", s / 60, s % 60);
  else
    snprintf(text, sizeof text, "%ldh%02ldm", s / 3600, s / 60 % 60);
  return text;
}

// What is known of a run's versions: from its monitor, else from what was written at the start.
std::string program_of(const op::Run& run, const ordered_json& status, const char* version) {
  for (const ordered_json* from : {&status, &run.meta}) {
    if (!from->is_object() || !from->contains("versions")) continue;
    const std::string text = text_at((*from)["versions"][version], "program");
    if (text != "-") return text;
  }
  return "-";
}

void print_row(const std::string& id, const std::string& state, const std::string& leader,
               const std::string& up, const std::string& failovers, const std::string& old_program,
               const std::string& new_program) {
  printf("%-14s %-12s %-6s %8s %9s  %s  %s\n", id.c_str(), state.c_str(), leader.c_str(),
         up.c_str(), failovers.c_str(), old_program.c_str(), new_program.c_str());
}

// Containers that are gone; `mx events` shows what was reported of them.
void list_kept(ordered_json& rows, bool json) {
  for (const oci::KeptReport& kept : oci::kept_reports(config())) {
    if (json)
      rows.push_back({{"id", kept.id},
                      {"kind", "container"},
                      {"state", "removed"},
                      {"removed", kept.removed},
                      {"report", kept.report().string()}});
    else
      print_row(kept.id, "removed", "-", "-", "-", kept.removed, "");
  }
}

int list(bool all, bool json) {
  ordered_json rows = ordered_json::array();
  if (!json) print_row("ID", "STATE", "LEADER", "UP", "FAILOVERS", "OLD", "NEW");
  for (const op::Run& run : op::all_runs()) {
    if (!run.alive && !all) continue;
    const ordered_json answer =
        run.alive ? op::ask(run.out(), {}, kStatusLimit) : op::refusal("ended");
    const bool ok = answer["ok"] == true;
    const ordered_json status = ok ? answer["status"] : ordered_json();
    const std::string state = ok ? text_at(status, "state") : run.alive ? "no answer" : "ended";
    if (json) {
      rows.push_back({{"id", run.id},
                      {"kind", run.container ? "container" : "run"},
                      {"state", state},
                      {"status", status}});
      continue;
    }
    print_row(run.id, state, ok ? text_at(status, "leader") : text_at(run.meta, "leader"),
              ok ? duration(status["uptime"]) : "-",
              ok ? text_at(status["counts"], "failover") : "-", program_of(run, status, "old"),
              program_of(run, status, "new"));
  }
  if (all) list_kept(rows, json);
  if (json) puts(rows.dump(2).c_str());
  return 0;
}

ordered_json ask_or_throw(const op::Run& run, const op::Request& request, double limit) {
  if (!run.alive) throw std::runtime_error(run.id + " has ended");
  const ordered_json answer = op::ask(run.out(), request, limit);
  if (answer["ok"] != true) throw std::runtime_error(run.id + ": " + text_at(answer, "error"));
  return answer;
}

void print_version(const char* name, const ordered_json& v) {
  printf("%-10s %s, %s%s\n", name, text_at(v, "state").c_str(), text_at(v, "program").c_str(),
         text_at(v, "root") == "/" ? "" : (" in " + text_at(v, "root")).c_str());
  printf("           pids %s, events %s, sites %s rewritten, %s calls trapped\n",
         text_at(v, "pids").c_str(), text_at(v, "events").c_str(),
         text_at(v, "rewritten_sites").c_str(), text_at(v, "trapped_sites").c_str());
}

void print_status(const ordered_json& s) {
  printf(
      "id         %s\nleader     %s (%s)\nup         %s, %s processes, lockstep %s, threads %s, "
      "recovery %s\n",
      text_at(s, "id").c_str(), text_at(s, "leader").c_str(), text_at(s, "state").c_str(),
      s.contains("uptime") ? duration(s["uptime"]).c_str() : "-", text_at(s, "processes").c_str(),
      text_at(s, "lockstep").c_str(), text_at(s, "threads").c_str(),
      text_at(s, "recovery").c_str());
  if (s.contains("versions"))
    for (const char* v : {"old", "new"}) print_version(v, s["versions"].value(v, ordered_json()));
  if (s.contains("lag"))
    printf("lag        %s events, %s bytes\n", text_at(s["lag"], "events").c_str(),
           text_at(s["lag"], "bytes").c_str());
  if (s.contains("counts")) {
    printf("counts    ");
    for (const auto& [key, value] : s["counts"].items())
      printf(" %s %s", clean(key).c_str(), clean(value.dump()).c_str());
    printf("\n");
  }
  if (s.contains("checkpoints")) printf("checkpoints %s\n", clean(s["checkpoints"].dump()).c_str());
}

// Prints what has been written to a file and, if `follow`, what is written until the run ends.
int print_report(const std::string& report, bool follow) {
  std::ifstream in(report);
  if (!in) throw std::runtime_error("cannot read " + report);
  const int watch = follow ? inotify_init1(IN_CLOEXEC) : -1;
  if (follow) inotify_add_watch(watch, report.c_str(), IN_MODIFY | IN_DELETE_SELF | IN_ATTRIB);
  for (;;) {
    std::string line;
    bool ended = false;
    for (auto at = in.tellg(); std::getline(in, line); at = in.tellg()) {
      if (in.eof()) {  // half a line: later
        in.clear();
        in.seekg(at);
        break;
      }
      puts(line.c_str());
      ended |= line.find("\"event\":\"exit\"") != std::string::npos;
    }
    fflush(stdout);
    if (!follow || ended) return 0;
    in.clear();
    pollfd p[2] = {{watch, POLLIN, 0}, {1, 0, 0}};  // a reader that has gone ends it
    poll(p, 2, 1000);
    if (p[1].revents & (POLLERR | POLLHUP)) return 0;
    char events[4096];
    if (p[0].revents & POLLIN) (void)!read(watch, events, sizeof events);
    if (!std::filesystem::exists(report)) {
      follow = false;  // once more, for the last lines
    }
  }
}

// Of a run that is there, else of a container that has been removed.
std::string report_of(const std::string& id) {
  std::string problem;
  try {
    return op::find_run(id).report();
  } catch (const std::runtime_error& error) {
    problem = error.what();
  }
  try {
    return oci::find_kept_report(config(), id).report();
  } catch (const oci::Failure&) {
    throw std::runtime_error(problem);
  }
}

int change(int argc, char** argv, op::Verb verb, const char* what, const char* footer) {
  std::string id, version;
  CLI::App app{what, std::string("mx ") + op::name(verb)};
  app.footer(footer);
  app.add_option("id", id, "the run's id, or its beginning (mx ps)")->required()->type_name("ID");
  app.add_option("version", version, "old or new")
      ->required()
      ->check(CLI::IsMember({"old", "new"}))
      ->type_name("old|new");
  return run_verb(app, argc, argv, [&] {
    const auto v = version == "old" ? stream::Version::kOld : stream::Version::kNew;
    const ordered_json answer = ask_or_throw(op::find_run(id), {verb, v}, kChangeLimit);
    printf("%s leads%s\n", text_at(answer, "leader").c_str(),
           answer.contains("former_leader")
               ? (", the former leader " +
                  std::string(text_at(answer, "former_leader") == "follower" ? "follows"
                                                                             : "was dropped"))
                     .c_str()
               : "");
    return 0;
  });
}

}  // namespace

int ps(int argc, char** argv) {
  bool all = false, json = false;
  CLI::App app{"Lists the programs and containers that run under mx.", "mx ps"};
  app.add_flag("-a,--all", all,
               "also what has ended: runs whose crash reports are kept, removed containers");
  app.add_flag("--json", json, "for machines");
  return run_verb(app, argc, argv, [&] { return list(all, json); });
}

int status(int argc, char** argv) {
  std::string id;
  bool json = false;
  CLI::App app{"Shows the versions of a run: who leads, pids, events, lag, what has happened.",
               "mx status"};
  app.add_option("id", id, "the run's id, or its beginning (mx ps)")->required()->type_name("ID");
  app.add_flag("--json", json, "for machines");
  return run_verb(app, argc, argv, [&] {
    const ordered_json answer = ask_or_throw(op::find_run(id), {}, kStatusLimit);
    if (json)
      puts(answer["status"].dump(2).c_str());
    else
      print_status(answer["status"]);
    return 0;
  });
}

int events(int argc, char** argv) {
  std::string id;
  bool follow = false;
  CLI::App app{"Prints the report of a run: JSON lines, one event each (docs/report.md).",
               "mx events"};
  app.add_option("id", id, "the run's id, or its beginning (mx ps)")->required()->type_name("ID");
  app.add_flag("-f,--follow", follow, "go on until the run ends");
  return run_verb(app, argc, argv, [&] { return print_report(report_of(id), follow); });
}

int promote(int argc, char** argv) {
  return change(argc, argv, op::Verb::kPromote,
                "Makes this version the leader, without losing anything.",
                "The leader stops at its next system call, the follower reads to the end of what "
                "the leader did\n"
                "and goes on from there: connections, files, timers, children stay.");
}

int drop(int argc, char** argv) {
  return change(argc, argv, op::Verb::kDrop, "Ends this version; the other one goes on alone.",
                "If it leads, the other version takes over first, as in mx promote.");
}

}  // namespace mx::cli
