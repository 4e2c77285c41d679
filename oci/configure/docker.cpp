#include "oci/base/failure.hpp"
#include "oci/configure/edit.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {
namespace {

// The indentation the file uses; four spaces if it has one line.
int indent_of(const std::string& text) {
  const size_t line = text.find('\n');
  if (line == text.npos) return 4;
  const size_t first = text.find_first_not_of(' ', line + 1);
  return first == text.npos || first == line + 1 ? 4 : static_cast<int>(first - line - 1);
}

}  // namespace

std::optional<std::string> edit_docker(const std::optional<std::string>& text,
                                       const ConfigureOptions& options) {
  const bool empty = !text || text->find_first_not_of(" \t\r\n") == text->npos;
  Json config = empty ? Json::object() : parse_document(*text, "daemon.json");
  const Json before = config;
  if (options.undo) {
    if (config.contains("runtimes")) {
      config["runtimes"].erase("mx");
      if (config["runtimes"].empty()) config.erase("runtimes");
    }
    if (config.contains("default-runtime") && config["default-runtime"] == "mx")
      config.erase("default-runtime");
    if (config == before) return text;
    if (config.empty()) return std::nullopt;
  } else {
    if (config.contains("runtimes") && !config["runtimes"].is_object())
      throw Failure("daemon.json: runtimes is not an object");
    config["runtimes"]["mx"]["path"] = options.runtime;
    if (options.set_default) config["default-runtime"] = "mx";
    if (config == before) return text;
  }
  return config.dump(empty ? 4 : indent_of(*text)) + "\n";
}

}  // namespace mx::oci
