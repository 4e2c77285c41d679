#include "shim/monitor/report.h"

#include <fcntl.h>
#include <unistd.h>

#include <ctime>

#include "shim/monitor/error.h"

namespace mx::monitor {

namespace {
// RFC 3339 with microseconds, UTC.
std::string now() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  tm t;
  gmtime_r(&ts.tv_sec, &t);
  char text[40];
  size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
  snprintf(text + n, sizeof text - n, ".%06ldZ", ts.tv_nsec / 1000);
  return text;
}
}  // namespace

Report::Report(const std::string& path) {
  if (path.empty()) return;
  fd_ = path == "-" ? fcntl(2, F_DUPFD_CLOEXEC, 10)
                    : open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd_ < 0) throw system_error("cannot write the report " + path);
}

Report::~Report() {
  if (fd_ >= 0) close(fd_);
}

void Report::write(const char* event, nlohmann::ordered_json fields) {
  if (fd_ < 0) return;
  nlohmann::ordered_json line{{"time", now()}, {"event", event}};
  line.update(fields);
  if (lost_) line["lost_lines"] = lost_;
  std::string text = line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  size_t done = 0;
  while (done < text.size()) {
    ssize_t n = ::write(fd_, text.data() + done, text.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      lost_++;
      return;
    }
    done += n;
  }
  lost_ = 0;
}

const char* name(stream::Version v) { return v == stream::Version::kOld ? "old" : "new"; }

std::string printable(const char* bytes, size_t n) {
  std::string out;
  for (size_t i = 0; i < n; i++) {
    auto c = static_cast<unsigned char>(bytes[i]);
    if (c >= 0x20 && c < 0x7f && c != '\\') {
      out += static_cast<char>(c);
    } else {
      char text[8];
      snprintf(text, sizeof text, "\\x%02x", c);
      out += text;
    }
  }
  return out;
}

std::string hex(uint64_t n) {
  char text[24];
  snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(n));
  return text;
}

}  // namespace mx::monitor
