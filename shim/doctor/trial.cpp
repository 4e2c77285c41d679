#include "shim/doctor/trial.h"

#include <nlohmann/json.hpp>
#include <sstream>

#include "oci/base/run_program.hpp"
#include "shim/doctor/report_line.h"

namespace mx::doctor {

namespace {

std::string last_line(const std::string& text) {
  std::istringstream in(text);
  std::string line, last;
  while (std::getline(in, line))
    if (!line.empty()) last = line;
  return last;
}

// Both versions came to the end, with equal events. The report's lines are on standard error.
bool both_ended(const std::string& report) {
  const auto end = find_event(report, "exit", [](const auto&) { return true; });
  if (!end.is_object()) return false;
  const auto counts = end.value("events", nlohmann::json::object());
  return counts.value("old", 0) > 0 && counts.value("old", 0) == counts.value("new", -1);
}

}  // namespace

Finding try_a_run(const std::string& mx) {
  const oci::ProgramResult alone = oci::run_program({mx, "--version"});
  const oci::ProgramResult both =
      oci::run_program({mx, "run", "--report", "-", "--old", mx, "--new", mx, "--", "--version"});
  if (both.status == 0 && both.output == alone.output && both_ended(both.errors))
    return {"trial", State::kOk, "a program ran as two versions, to the end", ""};
  const std::string why = last_line(both.errors);
  return {"trial", State::kFailed,
          "`mx run` of a small program failed" + (why.empty() ? "" : ": " + why),
          "the lines above may say why; else docs/limits.md"};
}

}  // namespace mx::doctor
