// Two copies of a program under `mx run`: what the single probes cannot foresee shows here.
#pragma once
#include <string>

#include "shim/doctor/finding.h"

namespace mx::doctor {

/// Runs `mx` (a path; the one that asks) with two copies of itself, which say their release, and
/// reads the report. The program's standard streams are not the caller's.
Finding try_a_run(const std::string& mx);

}  // namespace mx::doctor
