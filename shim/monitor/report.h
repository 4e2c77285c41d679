// The report: JSON lines, one event each (design, section 8; docs/report.md).
#pragma once
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "shim/stream/arena.h"

namespace mx::monitor {

class Report {
 public:
  /// Opens `path` for appending; "-" is standard error,
  /// "" no report. A fifo needs no reader. Throws Error.
  explicit Report(const std::string& path);
  ~Report();
  Report(const Report&) = delete;
  Report& operator=(const Report&) = delete;

  /// Writes one line: time and event first, then `fields`. A full disk,
  /// or a pipe that nobody reads, costs the line, never the program:
  /// the count of lost lines is in the next line that can be written.
  void write(const char* event, nlohmann::ordered_json fields);
  /// Lines are kept for the file that copy_to() will name.
  void keep_for_copy() { keeps_ = true; }
  /// Every line goes to this file as well, those that were kept first (opened for appending, mode
  /// 0600). Throws Error.
  void copy_to(const std::string& path);
  /// How many lines of this event there were.
  uint64_t count(const std::string& event) const;
  int fd() const { return fd_; }

 private:
  int fd_ = -1, copy_ = -1;
  uint64_t lost_ = 0;
  std::string rest_;  ///< of a line that was written in part
  bool keeps_ = false;
  std::string kept_;  ///< lines for the copy
  std::map<std::string, uint64_t> counts_;
};

const char* name(stream::Version v);
/// Bytes of a program as JSON text: printable ASCII as it is, others as \xNN.
std::string printable(const char* bytes, size_t n);
std::string hex(uint64_t n);

}  // namespace mx::monitor
