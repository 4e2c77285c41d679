#include "oci/state/main.hpp"

#include <algorithm>

#include "oci/base/failure.hpp"

namespace mx::oci {
namespace {

// "ID-2026-11-26T07:00:00.000000Z", as retire_state names it.
constexpr size_t kTimeLength = 27;

}  // namespace

std::vector<KeptReport> kept_reports(const Config& config) {
  std::vector<KeptReport> kept;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(config.store / "reports", error)) {
    const std::string name = entry.path().filename();
    if (name.size() < kTimeLength + 2 || name[name.size() - kTimeLength - 1] != '-') continue;
    kept.push_back({name.substr(0, name.size() - kTimeLength - 1),
                    name.substr(name.size() - kTimeLength), entry.path()});
  }
  std::sort(kept.begin(), kept.end(),
            [](const auto& a, const auto& b) { return a.removed < b.removed; });
  return kept;
}

KeptReport find_kept_report(const Config& config, const std::string& id) {
  const KeptReport* found = nullptr;
  const auto all = kept_reports(config);
  for (const KeptReport& kept : all) {
    if (id.empty() || !kept.id.starts_with(id)) continue;
    if (found != nullptr && found->id != kept.id && found->id != id && kept.id != id)
      throw Failure("more than one removed container's id begins with " + id);
    if (found == nullptr || found->id != id || kept.id == id) found = &kept;
  }
  if (found == nullptr) throw Failure("mx keeps no report of a container " + id);
  return *found;
}

}  // namespace mx::oci
