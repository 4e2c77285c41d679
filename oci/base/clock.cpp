#include "oci/base/clock.hpp"

#include <sys/time.h>

#include <cstdio>
#include <ctime>

#include "oci/base/failure.hpp"

namespace mx::oci {

std::string rfc3339_now() {
  timeval now{};
  gettimeofday(&now, nullptr);
  tm parts{};
  gmtime_r(&now.tv_sec, &parts);
  char text[64];
  const size_t length = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  snprintf(text + length, sizeof text - length, ".%06ldZ", static_cast<long>(now.tv_usec));
  return text;
}

long parse_duration(const std::string& text, const std::string& setting) {
  long value = 0;
  size_t at = 0;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at) {
    value = value * 10 + (text[at] - '0');
    if (value > 1'000'000'000L) throw Failure(setting + ": \"" + text + "\" is too long a time");
  }
  const std::string unit = text.substr(at);
  if (at == 0) throw Failure(setting + ": \"" + text + "\" is not a time (use 90s, 15m, 24h, 7d)");
  if (unit.empty() || unit == "s") return value;
  if (unit == "m") return value * 60;
  if (unit == "h") return value * 3600;
  if (unit == "d") return value * 86400;
  throw Failure(setting + ": \"" + text + "\" has no known unit (use s, m, h or d)");
}

}  // namespace mx::oci
