// mx-runtime: an OCI runtime on the outside, runc or crun on the inside.
#include <exception>
#include <string>
#include <vector>

#include "oci/runtime/error_log.hpp"
#include "oci/runtime/verbs.hpp"

namespace mx::oci {
namespace {

int run(const CommandLine& line) {
  const Config config = load_config();
  const Inner inner = find_inner(config);
  if (line.verb == "create" || line.verb == "run") return create_verb(config, inner, line);
  if (is_valid_id(line.id())) {
    if (line.verb == "exec") return exec_verb(config, inner, line);
    if (line.verb == "checkpoint") return checkpoint_verb(config, inner, line);
    if (line.verb == "delete") return delete_verb(config, inner, line);
  }
  exec_inner(inner, line.words);
}

}  // namespace
}  // namespace mx::oci

int main(int argc, char** argv) {
  const auto line =
      mx::oci::parse_command_line(std::vector<std::string>(argv + (argc > 0 ? 1 : 0), argv + argc));
  try {
    return mx::oci::run(line);
  } catch (const std::exception& error) {
    mx::oci::report_error(line, error.what());
    return 1;
  }
}
