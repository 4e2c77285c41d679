// Reports of containers that have been removed: they stay for report.keep.
#pragma once

#include <string>
#include <vector>

#include "oci/settings/config_file.hpp"

namespace mx::oci {

struct KeptReport {
  std::string id;       // the container's
  std::string removed;  // RFC 3339
  std::filesystem::path folder;
  std::filesystem::path report() const { return folder / "report.jsonl"; }
};

// Oldest first.
std::vector<KeptReport> kept_reports(const Config& config);

// The latest one of the container with this id or the only one whose id begins so. Throws Failure
// if there is none or more than one container.
KeptReport find_kept_report(const Config& config, const std::string& id);

}  // namespace mx::oci
