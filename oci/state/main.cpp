#include "oci/state/main.hpp"

#include <algorithm>

#include "oci/base/failure.hpp"
#include "oci/state/container_state.hpp"

namespace mx::oci {

std::string list_containers(const Config& config) {
  std::string out;
  for (const ContainerState& state : all_states(config)) {
    const bool gone = is_gone(state);
    out += state.id.substr(0, 12) + "  leader " + (state.active ? current_leader(state) : "-") +
           "  " + (state.active ? state.second + " = " + state.source : "one version") + "  " +
           (gone ? "gone" : "since " + state.created) + "\n";
  }
  return out;
}

std::filesystem::path report_of(const Config& config, const std::string& id) {
  std::vector<std::filesystem::path> living, kept;
  for (const ContainerState& state : all_states(config))
    if (!id.empty() && state.id.starts_with(id)) living.push_back(state.report());
  if (living.size() == 1) return living[0];
  if (living.size() > 1) throw Failure("more than one container's id begins with " + id);
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(config.store / "reports", error))
    if (!id.empty() && entry.path().filename().string().starts_with(id))
      kept.push_back(entry.path() / "report.jsonl");
  if (kept.empty()) throw Failure("mx knows no container " + id);
  // The names end in the time they were kept.
  return *std::max_element(kept.begin(), kept.end());
}

}  // namespace mx::oci
