// The state folder of one run, and of all runs. Layout: README.md.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace mx::op {

/// $MX_STATE_DIR, or /run/mx for root, or $XDG_RUNTIME_DIR/mx, or /tmp/mx-UID.
std::string state_base();

/// One run as found on disk.
struct Run {
  std::string id;
  std::string folder;
  bool container = false;  ///< meta.json of mx-runtime
  bool alive = false;      ///< the monitor of an `mx run` lives; of a container: it may
  nlohmann::ordered_json meta;
  std::string out() const { return folder + "/out"; }
  std::string report() const { return out() + "/report.jsonl"; }
};

/// Runs in this folder are found too (containers have their state where /etc/mx/config.toml says),
/// unless $MX_STATE_DIR names the one place to look at.
void also_look_in(const std::string& base);
/// All runs, oldest first. What cannot be read is left out.
std::vector<Run> all_runs();
/// The run with this id, or the only one whose id begins
/// so. Throws std::runtime_error with a sentence.
Run find_run(const std::string& id);

/// The folder of this monitor's own run.
class StateFolder {
 public:
  /// Cleans what earlier monitors left, makes the folder, locks it, writes run.json (`meta` with
  /// "id" and "created" put in front). `id`: "" for a fresh one. Throws std::runtime_error.
  StateFolder(const std::string& id, const nlohmann::ordered_json& meta);
  /// Removes the folder, unless it holds crash reports.
  ~StateFolder();
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;

  const std::string& id() const { return id_; }
  const std::string& folder() const { return folder_; }
  std::string out() const { return folder_ + "/out"; }
  /// Another process goes on with the run: this one leaves the folder as it is.
  void hand_on() { owner_ = false; }

 private:
  void make(const std::string& id);
  std::string id_, folder_;
  int lock_ = -1;
  bool owner_ = true;
};

/// Removes folders of runs whose monitor is gone; keeps
/// the latest `keep` of those with crash reports.
void clean_stale_runs(size_t keep = 16);

/// True for an id that may name a folder: letters, digits, '_', '.', '-', not beginning with '.' or
/// '-'; at most 64.
bool valid_id(const std::string& id);

}  // namespace mx::op
