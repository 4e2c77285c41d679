// A program under `mx run` whose leader is killed: does the other version go on with its
// descriptors?
#pragma once
#include <string>

#include "shim/doctor/finding.h"

namespace mx::doctor {

/// Runs two copies of cat(1) under `mx` (a path), kills the one that leads between two lines, and
/// waits for the second line. Takes some 50 ms, 10 s at the most.
Finding try_a_kill(const std::string& mx);

}  // namespace mx::doctor
