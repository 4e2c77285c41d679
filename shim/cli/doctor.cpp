// mx doctor: is this machine fit for mx, and if not, what is to be done?
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "shim/cli/program_check.h"
#include "shim/cli/verbs.h"
#include "shim/doctor/containers.h"
#include "shim/doctor/machine.h"
#include "shim/doctor/survival.h"
#include "shim/doctor/trial.h"
#include "shim/monitor/error.h"

namespace mx::cli {

namespace {

using doctor::Finding;
using doctor::State;

const char* word(State state) {
  return state == State::kOk ? "ok" : state == State::kNote ? "note" : "failed";
}

Finding kernel() {
  utsname u{};
  uname(&u);
  try {
    check_kernel();
    return {"kernel", State::kOk, std::string("Linux ") + u.release + ", " + u.machine, ""};
  } catch (const monitor::Error& error) {
    return {"kernel", State::kFailed, error.what(), "run mx on another machine"};
  }
}

std::vector<Finding> examine(bool containers) {
  std::vector<Finding> all{kernel()};
  const auto add = [&all](std::vector<Finding> more) {
    all.insert(all.end(), more.begin(), more.end());
  };
  add(doctor::examine_machine());
  std::error_code error;
  const std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
  if (!error)
    add({doctor::try_a_run(self), doctor::try_a_kill(self)});  // (without /proc nothing runs)
  if (containers) add(doctor::examine_containers());
  return all;
}

void print(const std::vector<Finding>& all) {
  for (const Finding& f : all) {
    printf("%-6s  %-16s  %s\n", word(f.state), f.name.c_str(), f.text.c_str());
    if (!f.remedy.empty()) printf("%-6s  %-16s  -> %s\n", "", "", f.remedy.c_str());
  }
}

void print_json(const std::vector<Finding>& all) {
  auto rows = nlohmann::ordered_json::array();
  for (const Finding& f : all) {
    rows.push_back({{"name", f.name}, {"state", word(f.state)}, {"text", f.text}});
    if (!f.remedy.empty()) rows.back()["remedy"] = f.remedy;
  }
  puts(rows.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace).c_str());
}

}  // namespace

int doctor(int argc, char** argv) {
  CLI::App app(
      "Looks whether mx works on this machine, or in this container, and says what to do if not. "
      "Changes nothing.",
      "mx doctor");
  app.footer("Exit status 1 if something failed; notes are what works less well than it could.");
  bool json = false, no_containers = false;
  app.add_flag("--json", json, "an array of {name, state (ok, note, failed), text, remedy}");
  app.add_flag("--no-containers", no_containers,
               "only what mx run needs, nothing of runtimes and engines");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 125;
  }
  try {
    const std::vector<Finding> all = examine(!no_containers);
    json ? print_json(all) : print(all);
    return std::any_of(all.begin(), all.end(),
                       [](const Finding& f) { return f.state == State::kFailed; });
  } catch (const std::exception& e) {
    fprintf(stderr, "mx: %s\n", e.what());
    return 125;
  }
}

}  // namespace mx::cli
