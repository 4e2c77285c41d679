// What mx keeps on the host about one container: /run/mx/ID (docs/containers.md, "State").
//
//   meta.json      who, where, which images          (host only)
//   config.json    the bundle's original             (host only)
//   exec.bpf       the user's seccomp profile for exec'd processes, if there is one
//   plan.json      what the createContainer hook mounts
//   in/            bound read-only into the container: settings.json, seccomp.bpf
//   out/           bound writable: report.jsonl, crash/, control.sock
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "oci/settings/config_file.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {

struct ContainerState {
  std::string id;
  std::filesystem::path folder;        // /run/mx/ID
  std::filesystem::path bundle;        // absolute
  std::filesystem::path config_file;   // the bundle's config.json
  std::filesystem::path runtime_root;  // --root of the inner runtime; "" unknown
  std::filesystem::path upper;         // folder of the second root's upper layer; "" for none
  std::filesystem::path reports;       // where the report goes in the end
  std::string first, second;           // "old"/"new"
  std::string image;                   // digest in the store, or ""
  std::string source;                  // the setting's text
  std::string leader;                  // at the start
  std::string own_folder;              // "/dev/.mx"
  std::string created;                 // RFC 3339
  bool active = true;                  // false: started on its own image alone (optional)
  int creator = 0;                     // pid of the mx-runtime that made it
  int64_t creator_started = 0;         // start times tell a reused pid apart
  int pid = 0;                         // of the container's first process; 0 not yet known
  int64_t pid_started = 0;

  std::filesystem::path in() const { return folder / "in"; }
  std::filesystem::path out() const { return folder / "out"; }
  std::filesystem::path report() const { return out() / "report.jsonl"; }
};

// When the process started, in clock ticks since boot; 0 if it is not there or a zombie.
int64_t start_time_of(int pid);

// The state of a container, or nothing if mx does not hold one. `runtime_root` ("" for any) tells
// containers of two engines with the same id apart.
std::optional<ContainerState> load_state(const Config& config, const std::string& id,
                                         const std::string& runtime_root = "");
ContainerState load_state_folder(const std::filesystem::path& folder);
std::vector<ContainerState> all_states(const Config& config);

// Makes the folders (mode 0700, owner `uid`:`gid` for what the container's root must reach) and
// writes meta.json. Throws Failure when the id is taken by a living container.
void create_state(const Config& config, ContainerState& state, unsigned uid, unsigned gid);
void save_state(const ContainerState& state);

// Appends one report line {"time", "event", …fields}. Throws Failure.
void add_event(const ContainerState& state, const std::string& event, const Json& fields);

// The version that leads now, by the report's last failover or promotion.
std::string current_leader(const ContainerState& state);

// True when neither the inner runtime nor any process knows the container any more.
bool is_gone(const ContainerState& state);

// Keeps the report and crash folders under state.reports and removes everything else.
// Safe to call twice.
void retire_state(const ContainerState& state);

// Retires the states of containers that are gone (poststop never ran) and deletes reports older
// than config.keep_seconds. Errors of single entries are left for the next time.
void clean_stale(const Config& config);

// Puts the bundle's original config.json back, if a rewritten one is there.
void restore_config(const ContainerState& state);

}  // namespace mx::oci
