#include "oci/settings/config_file.hpp"

#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>

#include "oci/base/clock.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void wrong(const std::string& key, const std::string& expected) {
  throw Failure("mx configuration: " + key + " must be " + expected);
}

std::string text(const toml::node& node, const std::string& key) {
  const auto value = node.value_exact<std::string>();
  if (!value) wrong(key, "a string");
  return *value;
}

std::vector<std::string> texts(const toml::node& node, const std::string& key) {
  if (node.is_string()) return {text(node, key)};
  if (!node.is_array()) wrong(key, "a string or an array of strings");
  std::vector<std::string> out;
  for (const toml::node& item : *node.as_array()) out.push_back(text(item, key));
  return out;
}

std::string one_of(const toml::node& node, const std::string& key,
                   const std::vector<std::string>& choices) {
  const std::string value = text(node, key);
  if (std::find(choices.begin(), choices.end(), value) == choices.end())
    wrong(key, "\"" + choices[0] + "\" or \"" + choices[1] + "\", not \"" + value + "\"");
  return value;
}

bool on_or_off(const toml::node& node, const std::string& key) {
  return one_of(node, key, {"on", "off"}) == "on";
}

using Setter = std::function<void(Config&, const toml::node&, const std::string&)>;

const std::map<std::string, Setter>& setters() {
  using Node = toml::node;
  using Key = std::string;
  static const std::map<std::string, Setter> kSetters = {
      {"runtime.inner", [](Config& c, const Node& n, const Key& k) { c.inner = texts(n, k); }},
      {"paths.state", [](Config& c, const Node& n, const Key& k) { c.state = text(n, k); }},
      {"paths.store", [](Config& c, const Node& n, const Key& k) { c.store = text(n, k); }},
      {"paths.cache", [](Config& c, const Node& n, const Key& k) { c.cache = text(n, k); }},
      {"paths.libexec", [](Config& c, const Node& n, const Key& k) { c.libexec = text(n, k); }},
      {"paths.monitor", [](Config& c, const Node& n, const Key& k) { c.monitor = text(n, k); }},
      {"images.allow", [](Config& c, const Node& n, const Key& k) { c.allow = texts(n, k); }},
      {"report.keep", [](Config& c, const Node& n,
                         const Key& k) { c.keep_seconds = parse_duration(text(n, k), k); }},
      {"report.replay-bundle",
       [](Config& c, const Node& n, const Key& k) { c.replay_bundle = on_or_off(n, k); }},
      {"report.core", [](Config& c, const Node& n, const Key& k) { c.core = on_or_off(n, k); }},
      {"defaults.leader",
       [](Config& c, const Node& n, const Key& k) {
         c.leader = one_of(n, k, {"old", "new"});
       }},
      {"defaults.lockstep",
       [](Config& c, const Node& n, const Key& k) {
         c.lockstep = one_of(n, k, {"window", "full"});
       }},
      {"defaults.threads",
       [](Config& c, const Node& n, const Key& k) {
         c.threads = one_of(n, k, {"parallel", "serial"});
       }},
      {"defaults.recovery",
       [](Config& c, const Node& n, const Key& k) { c.recovery = on_or_off(n, k); }},
      {"defaults.hang-timeout",
       [](Config& c, const Node& n, const Key& k) {
         const auto seconds = n.value<double>();
         if (!seconds || !n.is_number() || *seconds < 0) wrong(k, "a number of seconds");
         c.hang_timeout = *seconds;
       }},
      {"monitor.apparmor-profile",
       [](Config& c, const Node& n, const Key& k) { c.apparmor_profile = text(n, k); }},
  };
  return kSetters;
}

void apply(Config& config, const toml::table& table, const std::string& prefix,
           const std::string& file) {
  for (const auto& [name, node] : table) {
    const std::string key = prefix + std::string(name.str());
    const auto setter = setters().find(key);
    if (setter != setters().end()) {
      setter->second(config, node, key);
    } else if (node.is_table() && prefix.empty()) {
      apply(config, *node.as_table(), key + ".", file);
    } else {
      config.warnings.push_back(file + ": unknown key " + key);
    }
  }
}

void apply_file(Config& config, const fs::path& file) {
  const auto bytes = read_file_if_there(file, 1 << 20);
  if (!bytes) return;
  try {
    apply(config, toml::parse(*bytes, file.string()), "", file.string());
  } catch (const toml::parse_error& error) {
    throw Failure(file.string() + ", line " + std::to_string(error.source().begin.line) + ": " +
                  std::string(error.description()));
  }
}

void apply_with_drop_ins(Config& config, const fs::path& file) {
  apply_file(config, file);
  std::vector<fs::path> drop_ins;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(file.parent_path() / "config.d", ignored))
    if (entry.path().extension() == ".toml") drop_ins.push_back(entry.path());
  std::sort(drop_ins.begin(), drop_ins.end());
  for (const fs::path& drop_in : drop_ins) apply_file(config, drop_in);
}

void fill_paths(Config& config) {
  if (!config.libexec.empty()) return;
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  config.libexec = self.parent_path().parent_path() / "libexec/mx";
  if (!fs::exists(config.libexec / "mx-hook")) config.libexec = "/usr/libexec/mx";
}

}  // namespace

bool is_real_root() {
  if (geteuid() != 0) return false;
  const auto map = read_file_if_there("/proc/self/uid_map", 4096);
  return !map || map->find("4294967295") != std::string::npos;
}

fs::path Config::monitor_path() const { return monitor.empty() ? libexec / "mx-monitor" : monitor; }
fs::path Config::hook_path() const { return libexec / "mx-hook"; }
fs::path Config::enter_path() const { return libexec / "mx-enter"; }
std::vector<std::string> Config::analyzer_paths() const {
  return {libexec / "mx-analyze", libexec / "mx-analyze-full"};
}
fs::path Config::tables_path() const { return libexec / "mx-tables"; }
fs::path Config::tables() const { return cache / "sites"; }

std::vector<std::string> config_keys() {
  std::vector<std::string> keys;
  for (const auto& [key, setter] : setters()) keys.push_back(key);
  return keys;
}

Config load_config_file(const fs::path& file) {
  Config config;
  apply_with_drop_ins(config, file);
  fill_paths(config);
  return config;
}

Config load_config() {
  Config config;
  if (!is_real_root()) {
    const char* run = getenv("XDG_RUNTIME_DIR");
    const char* data = getenv("XDG_DATA_HOME");
    const char* home = getenv("HOME");
    config.state = fs::path(run != nullptr ? run : "/tmp") / "mx";
    config.store = (data != nullptr ? fs::path(data)
                                    : fs::path(home != nullptr ? home : "/") / ".local/share") /
                   "mx";
    config.cache = config.store / "cache";
  }
  const char* chosen = getenv("MX_CONFIG");
  apply_with_drop_ins(config, chosen != nullptr ? chosen : "/etc/mx/config.toml");
  fill_paths(config);
  return config;
}

}  // namespace mx::oci
