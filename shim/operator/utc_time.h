// Times as reports write them. Not by gmtime_r(3) and strftime(3), which read /etc/localtime first.
#pragma once
#include <ctime>
#include <string>

namespace mx::op {

/// RFC 3339, UTC, in seconds: 2026-11-26T18:00:00Z.
std::string utc_seconds(time_t at);
/// … with microseconds: 2026-11-26T18:00:00.000000Z.
std::string utc_microseconds(const timespec& at);

}  // namespace mx::op
