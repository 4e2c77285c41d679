// Lines of a run's report (docs/report.md), as they come on standard error.
#pragma once
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace mx::doctor {

/// The first event of this name for which `wanted(event)` holds; null if there is none. What is no
/// event is passed over.
template <typename F>
nlohmann::json find_event(const std::string& report, const char* name, F&& wanted) {
  std::istringstream in(report);
  std::string line;
  while (std::getline(in, line)) {
    auto event = nlohmann::json::parse(line, nullptr, false);
    if (event.is_object() && event.value("event", "") == name && wanted(event)) return event;
  }
  return nullptr;
}

}  // namespace mx::doctor
