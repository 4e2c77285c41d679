// One engine's configuration file before and after. The functions are pure: text in, text out.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace mx::oci {

struct ConfigureOptions {
  bool undo = false;
  bool set_default = false;
  std::string runtime = "/usr/bin/mx-runtime";  // path on the node
  std::string hooks = {};  // podman: folder with mx-hook's JSON; "" leaves precreate hooks out
};

// What to do with one file.
struct Edit {
  std::string file;                   // absolute
  std::optional<std::string> before;  // nothing: there is no file
  std::optional<std::string> after;   // nothing: no file is to be there
  std::string restart;                // what the user must do for it to count
  std::vector<std::string> remarks;
  // A value that had to give way and cannot stand in the file as a comment: FILE.before-mx holds it
  // until it is undone.
  std::optional<std::string> displaced_before, displaced_after;
  std::string displaced_file() const { return file + ".before-mx"; }
  bool changes() const { return before != after || displaced_before != displaced_after; }
};

// Throw Failure for a file that cannot be edited safely, and say why. Undoing gives back every byte
// of what was there before. `displaced`: the default runtime (as JSON) that mx has taken the place
// of, if any; read and changed.
std::optional<std::string> edit_docker(const std::optional<std::string>& text,
                                       const ConfigureOptions& options,
                                       std::optional<std::string>& displaced);
std::optional<std::string> edit_containerd(const std::optional<std::string>& text,
                                           const ConfigureOptions& options,
                                           std::vector<std::string>& remarks);
// Files of mx's own, which begin so.
inline constexpr char kDropInMark[] = "# Written by `mx configure ";
std::optional<std::string> podman_drop_in(const ConfigureOptions& options);
std::optional<std::string> crio_drop_in(const ConfigureOptions& options);

// "engine" is docker, containerd, crio or podman; `root` is put before every path (a node's file
// system mounted somewhere); `file` overrides the engine's usual file.
Edit plan_edit(const std::string& engine, const ConfigureOptions& options, const std::string& root,
               const std::string& file);

// `mx configure ENGINE [--dry-run] [--undo] [--set-default] …`; argv[0] is "configure".
int configure_main(int argc, char** argv);

}  // namespace mx::oci
