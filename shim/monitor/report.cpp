#include "shim/monitor/report.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>

#include "shim/monitor/error.h"
#include "shim/operator/utc_time.h"

namespace mx::monitor {

namespace {
std::string now() {
  timespec ts;
  clock_gettime(CLOCK_REALTIME, &ts);
  return op::utc_microseconds(ts);
}
constexpr int kReaderMs = 20;  // what a reader of a pipe or a terminal may delay a failover

// A pipe that is ready takes PIPE_BUF bytes without blocking: pipe(7).
bool ready(int fd, int timeout_ms) {
  pollfd p{fd, POLLOUT, 0};
  return poll(&p, 1, timeout_ms) == 1 && !(p.revents & (POLLERR | POLLNVAL));
}

// How much of `text` was written.
size_t write_some(int fd, const std::string& text, int timeout_ms) {
  size_t done = 0;
  while (done < text.size() && ready(fd, timeout_ms)) {
    ssize_t n = ::write(fd, text.data() + done, std::min<size_t>(text.size() - done, PIPE_BUF));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    done += n;
  }
  return done;
}

bool is_fifo(const std::string& path) {
  struct stat st;
  return stat(path.c_str(), &st) == 0 && S_ISFIFO(st.st_mode);
}
}  // namespace

Report::Report(const std::string& path) {
  if (path.empty()) return;
  // A fifo without a reader would hold up the start; open for both, it never does.
  const int access = is_fifo(path) ? O_RDWR : O_WRONLY;
  fd_ = path == "-" ? fcntl(2, F_DUPFD_CLOEXEC, 10)
                    : open(path.c_str(), access | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
  if (fd_ < 0) throw system_error("cannot write the report " + path);
}

Report::~Report() {
  for (int fd : {fd_, copy_})
    if (fd >= 0) close(fd);
}

void Report::copy_to(const std::string& path) {
  copy_ = open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (copy_ < 0) throw system_error("cannot write the report " + path);
  write_some(copy_, kept_, -1);
  kept_.clear();
  keeps_ = false;
}

uint64_t Report::count(const std::string& event) const {
  auto it = counts_.find(event);
  return it == counts_.end() ? 0 : it->second;
}

void Report::write(const char* event, nlohmann::ordered_json fields) {
  counts_[event]++;
  if (fd_ < 0 && copy_ < 0 && !keeps_) return;
  nlohmann::ordered_json line{{"time", now()}, {"event", event}};
  line.update(fields);
  auto text = [&line] {
    return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  };
  if (keeps_) kept_ += text();
  if (copy_ >= 0) write_some(copy_, text(), -1);
  if (fd_ < 0) return;
  const int timeout = lost_ ? 0 : kReaderMs;
  rest_.erase(0, write_some(fd_, rest_, timeout));
  if (!rest_.empty()) {
    lost_++;
    return;
  }
  if (lost_) line["lost_lines"] = lost_;
  const std::string whole = text();
  const size_t written = write_some(fd_, whole, timeout);
  lost_ = written ? 0 : lost_ + 1;
  if (written) rest_ = whole.substr(written);
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
