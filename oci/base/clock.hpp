// Wall-clock times as text.
#pragma once

#include <string>

namespace mx::oci {

// Now, as RFC 3339 with microseconds in UTC ("2026-01-02T03:04:05.678901Z").
std::string rfc3339_now();

// "90s", "15m", "24h", "7d" or plain seconds as seconds. Throws Failure naming `setting`.
long parse_duration(const std::string& text, const std::string& setting);

}  // namespace mx::oci
