#include "oci/runtime/error_log.hpp"

#include <cstdio>

#include "oci/base/clock.hpp"
#include "oci/base/files.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {
namespace {

std::string log_line(const std::string& format, const std::string& level,
                     const std::string& message) {
  const std::string time = rfc3339_now();
  if (format == "json")
    return dump_document({{"level", level}, {"msg", message}, {"time", time}}) + "\n";
  const Json quoted = message;  // JSON's quoting is the one logrus uses for its text format
  return "time=\"" + time + "\" level=" + level +
         " msg=" + quoted.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string format_of(const CommandLine& line) {
  return line.global_value("log-format").value_or("text");
}

bool write_log(const CommandLine& line, const std::string& level, const std::string& message) {
  const auto file = line.global_value("log");
  if (!file || file->empty() || *file == "/dev/stderr") return false;
  try {
    append_to_file(*file, log_line(format_of(line), level, message), 0644);
    return true;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

void report_error(const CommandLine& line, const std::string& message) {
  if (!write_log(line, "error", message))
    fputs(log_line("text", "error", message).c_str(), stderr);
  else if (line.verb == "checkpoint")
    fprintf(stderr, "%s\n", message.c_str());  // the only place where containerd looks for it
}

void report_warning(const CommandLine& line, const std::string& message) {
  write_log(line, "warning", message);
}

}  // namespace mx::oci
