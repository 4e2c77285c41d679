#include "shim/doctor/containers.h"

#include <sys/stat.h>
#include <unistd.h>

#include <exception>
#include <filesystem>

#include "oci/base/run_program.hpp"
#include "oci/configure/edit.hpp"
#include "oci/settings/config_file.hpp"

namespace mx::doctor {

namespace {

namespace fs = std::filesystem;

std::string found(const std::string& program) {
  return oci::find_in_path(program, oci::search_path());
}

Finding inner_runtime(const oci::Config& config) {
  std::string names;
  for (const std::string& name : config.inner) {
    names += (names.empty() ? "" : ", ") + name;
    const std::string path = name.find('/') == std::string::npos ? found(name)
                             : access(name.c_str(), X_OK) == 0   ? name
                                                                 : "";
    if (!path.empty()) return {"runtime", State::kOk, path + " makes the containers", ""};
  }
  return {"runtime", State::kFailed, "none of these is installed: " + names,
          "apt install runc, or name another one as runtime.inner in /etc/mx/config.toml"};
}

Finding own_programs(const oci::Config& config) {
  std::vector<std::string> all = config.analyzer_paths();
  for (const fs::path& path :
       {config.monitor_path(), config.hook_path(), config.enter_path(), config.tables_path()})
    all.push_back(path.string());
  if (found("mx-runtime").empty())
    return {"programs", State::kNote,
            "mx-runtime is not installed: mx run works, containers do not",
            "install mx's package, or cmake --install"};
  std::string missing;
  for (const std::string& path : all)
    if (access(path.c_str(), X_OK) != 0) missing += (missing.empty() ? "" : ", ") + path;
  if (missing.empty())
    return {"programs", State::kOk, "mx-runtime and what it starts are installed", ""};
  return {"programs", State::kFailed, "missing: " + missing,
          "install mx's package, or cmake --install"};
}

// Whoever may write there decides what containers run.
Finding folder(const char* name, const fs::path& path) {
  struct stat st {};
  if (stat(path.c_str(), &st) != 0) {
    fs::path above = path.parent_path();
    while (!above.empty() && above != above.root_path() && access(above.c_str(), F_OK) != 0)
      above = above.parent_path();
    if (access(above.c_str(), W_OK) == 0)
      return {name, State::kOk, path.string() + " will be made", ""};
    return {name, State::kFailed,
            path.string() + " cannot be made: " + above.string() + " is not writable",
            "run as root"};
  }
  if (!S_ISDIR(st.st_mode))
    return {name, State::kFailed, path.string() + " is no folder", "move it away"};
  if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return {name, State::kFailed,
            path.string() + " belongs to, or can be written by, somebody else",
            "chown " + std::to_string(geteuid()) + ", chmod go-w"};
  return {name, State::kOk, path.string(), ""};
}

Finding store_tools() {
  for (const char* tool : {"skopeo", "umoci"})
    if (found(tool).empty())
      return {"images", State::kNote,
              std::string(tool) + " is not installed: mx image add takes dir:ROOTFS only",
              "apt install skopeo umoci"};
  return {"images", State::kOk, "mx image add can take them from engines, archives and folders",
          ""};
}

Finding engine(const std::string& name) {
  const std::string command = "mx configure " + name;
  try {
    const oci::Edit edit = oci::plan_edit(name, {}, "", "");
    if (edit.before && edit.before->find("mx-runtime") != std::string::npos)
      return {name, State::kOk, "knows the runtime mx (" + edit.file + ")", ""};
    return {name, State::kNote, "does not know the runtime mx (" + edit.file + ")", command};
  } catch (const std::exception& error) {
    return {name, State::kNote, error.what(), "mend the file, then " + command};
  }
}

}  // namespace

std::vector<Finding> examine_containers() {
  std::vector<Finding> all;
  oci::Config config;
  try {
    config = oci::load_config();
    for (const std::string& warning : config.warnings)
      all.push_back({"settings", State::kNote, warning, "see mx-config(5)"});
    if (all.empty()) all.push_back({"settings", State::kOk, "read", ""});
  } catch (const std::exception& error) {
    return {{"settings", State::kFailed, error.what(), "see mx-config(5)"}};
  }
  all.push_back(own_programs(config));
  all.push_back(inner_runtime(config));
  all.push_back(folder("state", config.state));
  all.push_back(folder("store", config.store));
  all.push_back(store_tools());
  constexpr std::pair<const char*, const char*> kEngines[] = {
      {"docker", "dockerd"}, {"containerd", "containerd"}, {"podman", "podman"}, {"crio", "crio"}};
  for (const auto& [name, program] : kEngines)
    if (!found(program).empty()) all.push_back(engine(name));
  return all;
}

}  // namespace mx::doctor
