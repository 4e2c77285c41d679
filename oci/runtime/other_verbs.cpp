#include "oci/base/failure.hpp"
#include "oci/runtime/error_log.hpp"
#include "oci/runtime/verbs.hpp"
#include "oci/state/container_state.hpp"

namespace mx::oci {

int checkpoint_verb(const Config& config, const Inner& inner, const CommandLine& line) {
  const auto state = load_state(config, line.id(), runtime_root(inner, line));
  if (!state || !state->active) exec_inner(inner, line.words);
  throw Failure("checkpoint failed: container " + line.id() +
                " runs two versions under mx, and the monitor's ties to them cannot be saved; "
                "run it without " +
                "run.mx.old/run.mx.new to checkpoint it");
}

int delete_verb(const Config& config, const Inner& inner, const CommandLine& line) {
  const auto state = load_state(config, line.id(), runtime_root(inner, line));
  if (!state) exec_inner(inner, line.words);
  const int status = run_inner(inner, line.words);
  if (!std::filesystem::exists(state->runtime_root / state->id)) retire_state(*state);
  return status;
}

}  // namespace mx::oci
