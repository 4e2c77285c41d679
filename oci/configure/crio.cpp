#include "oci/configure/edit.hpp"

namespace mx::oci {

// No allowed_annotations: CRI-O 1.26 drops a handler with an entry it does not know, and run.mx.*
// arrives without it.
std::optional<std::string> crio_drop_in(const ConfigureOptions& options) {
  if (options.undo) return std::nullopt;
  std::string text =
      "# Written by `mx configure crio`; `mx configure crio --undo` deletes it.\n"
      "[crio.runtime]\n";
  if (options.set_default) text += "default_runtime = \"mx\"\n";
  text += "[crio.runtime.runtimes.mx]\nruntime_path = \"" + options.runtime +
          "\"\nruntime_type = \"oci\"\nruntime_root = \"/run/mx-runtime\"\n";
  return text;
}

}  // namespace mx::oci
