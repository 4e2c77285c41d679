#include "oci/configure/edit.hpp"

namespace mx::oci {

std::optional<std::string> podman_drop_in(const ConfigureOptions& options) {
  if (options.undo) return std::nullopt;
  std::string text =
      "# Written by `mx configure podman`; `mx configure podman --undo` deletes it.\n"
      "[engine]\n";
  if (options.set_default) text += "runtime = \"mx\"\n";
  // Lists replace each other between files: the defaults of containers-common are repeated.
  // Without its name here podman passes no --log, and errors arrive without their text.
  text += "runtime_supports_json = [\"crun\", \"runc\", \"kata\", \"runsc\", \"krun\", \"mx\"]\n";
  // Off by default: podman shows of a failing precreate hook its exit status only.
  if (!options.hooks.empty())
    text +=
        "hooks_dir = [\"/usr/share/containers/oci/hooks.d\", \"/etc/containers/oci/hooks.d\", \"" +
        options.hooks + "\"]\n";
  text += "[engine.runtimes]\nmx = [\"" + options.runtime + "\"]\n";
  return text;
}

}  // namespace mx::oci
