#include "shim/operator/utc_time.h"

#include <chrono>
#include <cstdio>

namespace mx::op {

namespace {

// Without the zone.
std::string date_and_time(time_t at) {
  using namespace std::chrono;
  const sys_seconds time{seconds{at}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{time - day};
  char text[64];
  snprintf(text, sizeof text, "%04d-%02u-%02uT%02d:%02d:%02d", static_cast<int>(date.year()),
           static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
           static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
           static_cast<int>(clock.seconds().count()));
  return text;
}

}  // namespace

std::string utc_seconds(time_t at) { return date_and_time(at) + "Z"; }

std::string utc_microseconds(const timespec& at) {
  char text[32];
  snprintf(text, sizeof text, ".%06ldZ", at.tv_nsec / 1000);
  return date_and_time(at.tv_sec) + text;
}

}  // namespace mx::op
