#include <cstdlib>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/prepare.hpp"
#include "oci/runtime/error_log.hpp"
#include "oci/runtime/verbs.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

// Descriptors 3 … the caller hands to the container's program.
int preserved_fds(const CommandLine& line) {
  const char* listen = getenv("LISTEN_FDS");
  return atoi(line.value("preserve-fds").value_or("0").c_str()) +
         (listen != nullptr ? atoi(listen) : 0);
}

Bundle bundle_of(const Inner& inner, const CommandLine& line) {
  Bundle bundle;
  bundle.id = line.id();
  bundle.folder = fs::absolute(line.value("bundle").value_or(".")).lexically_normal();
  const fs::path file =
      inner.is_runc ? "config.json" : line.value("config").value_or("config.json");
  bundle.config_file = bundle.folder / file;
  bundle.runtime_root = runtime_root(inner, line);
  bundle.inner_is_runc = inner.is_runc;
  bundle.preserved_fds = preserved_fds(line);
  return bundle;
}

// Replaces the bundle's config for the duration of the inner runtime's create. It must not stay:
// `podman exec` and `runc exec` without --process would give shells the monitor's capabilities.
// During `run` the createRuntime hook puts it back as soon as the inner runtime has read it.
int run_rewritten(const Inner& inner, const CommandLine& line, const Prepared& prepared) {
  replace_file(prepared.state.config_file, prepared.new_config);
  int status = 1;
  try {
    status = run_inner(inner, line.words);
  } catch (...) {
    restore_config(prepared.state);
    throw;
  }
  restore_config(prepared.state);
  return status;
}

// A container that was not created has no `delete` with hooks. `run` has ended when it returns.
void clean_after(const ContainerState& state, const CommandLine& line, int status) {
  const bool ended = line.verb == "run" && !line.has("detach") && !line.has("keep");
  if (status != 0 || ended) {
    if (!fs::exists(state.runtime_root / state.id)) retire_state(state);
  }
}

}  // namespace

int create_verb(const Config& config, const Inner& inner, const CommandLine& line) {
  if (!is_valid_id(line.id()) || line.positional.size() != 1) exec_inner(inner, line.words);
  const Bundle bundle = bundle_of(inner, line);
  std::optional<std::string> text;
  try {
    text = read_file_if_there(bundle.config_file);
  } catch (const Failure&) {
    text.reset();  // unreadable: the inner runtime says so in its own words
  }
  // An id in use is the inner runtime's error, and nothing of the running container may change.
  if (!text || fs::exists(bundle.runtime_root / bundle.id)) exec_inner(inner, line.words);
  const auto prepared = prepare(config, bundle, *text);
  if (!prepared) exec_inner(inner, line.words);
  for (const std::string& warning : config.warnings) report_warning(line, warning);
  const int status = run_rewritten(inner, line, *prepared);
  clean_after(prepared->state, line, status);
  return status;
}

}  // namespace mx::oci
