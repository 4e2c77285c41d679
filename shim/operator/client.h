// Asks the monitor of one run.
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "shim/operator/protocol.h"

namespace mx::op {

/// Sends one request to the socket in `folder` (…/out) and waits for the answer, at most `seconds`.
/// Never throws: what goes wrong is a refusal ("ok": false, "error": sentence).
nlohmann::ordered_json ask(const std::string& folder, const Request& request, double seconds);

}  // namespace mx::op
