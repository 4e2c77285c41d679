// The administrator's settings: /etc/mx/config.toml and its drop-ins /etc/mx/config.d/*.toml.
// Every key is described in the man page mx-config(5).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace mx::oci {

struct Config {
  // [runtime]
  std::vector<std::string> inner = {"runc", "crun"};  // first one found is used
  // [paths]
  std::filesystem::path state = "/run/mx";
  std::filesystem::path store = "/var/lib/mx";
  std::filesystem::path cache = "/var/cache/mx";
  std::filesystem::path libexec;  // default: beside the installed mx-runtime
  std::filesystem::path monitor;  // default: libexec/mx-monitor
  // [images]
  std::vector<std::string> allow = {"*"};  // names that containers may ask for (fnmatch)
  // [report]
  long keep_seconds = 86400;
  bool replay_bundle = false;  // crash folders hold what `mx replay` needs: the program's memory
  bool core = false;           // … and a core file
  // [defaults] of the settings of containers
  std::string leader = "old";
  std::string lockstep = "window";
  std::string threads = "parallel";
  bool recovery = true;
  double hang_timeout = 10;
  // [monitor]
  std::string apparmor_profile;  // of the monitor; "" keeps the container's

  std::vector<std::string> warnings;  // unknown keys, one sentence each

  std::filesystem::path monitor_path() const;
  std::filesystem::path hook_path() const;
  std::filesystem::path enter_path() const;
  std::vector<std::string> analyzer_paths() const;  // mx-analyze and what it becomes
  std::filesystem::path tables_path() const;        // the program that makes site tables
  std::filesystem::path tables() const;             // the folder it puts them into
};

// Root of the first user namespace; rootless podman runs as uid 0 of another one.
bool is_real_root();

// Reads $MX_CONFIG (a file; the environment of a runtime is the daemon's, never the container's) or
// /etc/mx/config.toml, then its drop-ins in name order (config.d beside the file). Missing files
// are fine. Throws Failure for a file that cannot be parsed or a key of the wrong type.
// Rootless (not uid 0 of the first user namespace) the defaults of state and store are
// $XDG_RUNTIME_DIR/mx and $XDG_DATA_HOME/mx, the cache is in the store.
Config load_config();

// Every key there is, "table.key", in order.
std::vector<std::string> config_keys();

// The same for one given file and no environment; for tests and `mx doctor`.
Config load_config_file(const std::filesystem::path& file);

}  // namespace mx::oci
