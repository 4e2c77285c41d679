#include "oci/start/settings_json.hpp"

#include <sys/capability.h>
#include <sys/resource.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace mx::start {
namespace {

using Json = nlohmann::ordered_json;

constexpr struct {
  const char* name;
  int resource;
} kLimits[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

std::string limit_name(int resource) {
  for (const auto& limit : kLimits)
    if (limit.resource == resource) return limit.name;
  return "RLIMIT_" + std::to_string(resource);
}

uint64_t mask_from(const Json& names) {
  uint64_t mask = 0;
  for (const Json& name : names) {
    const auto bit = capability_bit(name.get<std::string>());
    if (!bit) throw std::runtime_error("unknown capability " + name.get<std::string>());
    mask |= *bit;
  }
  return mask;
}

Json version_to(const VersionSettings& v) {
  Json limits = Json::array();
  for (const ResourceLimit& l : v.limits)
    limits.push_back({{"type", limit_name(l.resource)}, {"soft", l.soft}, {"hard", l.hard}});
  Json out = {{"name", v.name},
              {"root", v.root},
              {"image", v.image},
              {"args", v.args},
              {"env", v.env},
              {"cwd", v.cwd},
              {"uid", v.uid},
              {"gid", v.gid},
              {"additionalGids", v.additional_gids},
              {"capabilities",
               {{"bounding", capability_names(v.capabilities.bounding)},
                {"effective", capability_names(v.capabilities.effective)},
                {"permitted", capability_names(v.capabilities.permitted)},
                {"inheritable", capability_names(v.capabilities.inheritable)},
                {"ambient", capability_names(v.capabilities.ambient)}}},
              {"rlimits", limits},
              {"noNewPrivileges", v.no_new_privileges},
              {"seccomp", v.seccomp_file},
              {"seccompFlags", v.seccomp_flags},
              {"apparmorProfile", v.apparmor_profile},
              {"selinuxLabel", v.selinux_label}};
  if (v.umask) out["umask"] = *v.umask;
  if (v.oom_score_adj) out["oomScoreAdj"] = *v.oom_score_adj;
  return out;
}

VersionSettings version_from(const Json& in) {
  VersionSettings v;
  v.name = in.at("name");
  v.root = in.at("root");
  v.image = in.value("image", "");
  v.args = in.at("args").get<std::vector<std::string>>();
  v.env = in.at("env").get<std::vector<std::string>>();
  v.cwd = in.at("cwd");
  v.uid = in.at("uid");
  v.gid = in.at("gid");
  v.additional_gids = in.at("additionalGids").get<std::vector<gid_t>>();
  const Json& caps = in.at("capabilities");
  v.capabilities = {mask_from(caps.at("bounding")), mask_from(caps.at("effective")),
                    mask_from(caps.at("permitted")), mask_from(caps.at("inheritable")),
                    mask_from(caps.at("ambient"))};
  for (const Json& limit : in.at("rlimits")) {
    const auto resource = limit_by_name(limit.at("type"));
    if (!resource) throw std::runtime_error("unknown limit " + limit.at("type").get<std::string>());
    v.limits.push_back({*resource, limit.at("soft"), limit.at("hard")});
  }
  v.no_new_privileges = in.at("noNewPrivileges");
  v.seccomp_file = in.at("seccomp");
  v.seccomp_flags = in.at("seccompFlags");
  v.apparmor_profile = in.at("apparmorProfile");
  v.selinux_label = in.at("selinuxLabel");
  if (in.contains("umask")) v.umask = in.at("umask").get<mode_t>();
  if (in.contains("oomScoreAdj")) v.oom_score_adj = in.at("oomScoreAdj").get<int>();
  if (v.args.empty()) throw std::runtime_error("version " + v.name + " has no args");
  return v;
}

ContainerSettings settings_from(const Json& in) {
  const int format = in.at("format");
  if (format != kSettingsFormat)
    throw std::runtime_error("settings have format " + std::to_string(format) +
                             ", this program reads " + std::to_string(kSettingsFormat));
  ContainerSettings s;
  s.id = in.at("id");
  s.leader = in.at("leader");
  s.lockstep = in.at("lockstep");
  s.threads = in.value("threads", "parallel");
  s.recovery = in.at("recovery");
  s.hang_timeout = in.at("hangTimeout");
  s.replay_bundle = in.value("replayBundle", false);
  s.core = in.value("core", false);
  s.rules_file = in.at("rules");
  s.state_folder = in.at("stateFolder");
  s.own_folder = in.at("ownFolder");
  s.terminal = in.at("terminal");
  s.preserved_fds = in.at("preservedFds");
  s.notes = in.at("notes").get<std::vector<std::string>>();
  for (const Json& version : in.at("versions")) s.versions.push_back(version_from(version));
  if (s.versions.empty()) throw std::runtime_error("settings name no version");
  return s;
}

template <typename Reader>
auto read_json(std::string_view text, const Reader& reader) {
  try {
    return reader(Json::parse(text));
  } catch (const nlohmann::json::exception& error) {
    throw std::runtime_error(std::string("settings: ") + error.what());
  }
}

}  // namespace

std::optional<uint64_t> capability_bit(std::string name) {
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  cap_value_t value = 0;
  // cap_from_name takes numbers too; the OCI specification knows names only.
  if (!name.starts_with("cap_") || cap_from_name(name.c_str(), &value) != 0 || value > 63)
    return std::nullopt;
  return uint64_t{1} << value;
}

std::vector<std::string> capability_names(uint64_t mask) {
  std::vector<std::string> names;
  for (int bit = 0; bit < 64; ++bit) {
    if ((mask >> bit & 1) == 0) continue;
    char* text = cap_to_name(bit);
    std::string name = text != nullptr ? text : "cap_" + std::to_string(bit);
    cap_free(text);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
    names.push_back(name);
  }
  return names;
}

std::optional<int> limit_by_name(const std::string& name) {
  for (const auto& limit : kLimits)
    if (name == limit.name) return limit.resource;
  return std::nullopt;
}

std::string to_json(const VersionSettings& settings) { return version_to(settings).dump(); }

VersionSettings version_settings_from_json(std::string_view text) {
  return read_json(text, version_from);
}

std::string to_json(const ContainerSettings& s) {
  Json versions = Json::array();
  for (const VersionSettings& version : s.versions) versions.push_back(version_to(version));
  const Json out = {{"format", kSettingsFormat},
                    {"id", s.id},
                    {"leader", s.leader},
                    {"lockstep", s.lockstep},
                    {"threads", s.threads},
                    {"recovery", s.recovery},
                    {"hangTimeout", s.hang_timeout},
                    {"replayBundle", s.replay_bundle},
                    {"core", s.core},
                    {"rules", s.rules_file},
                    {"stateFolder", s.state_folder},
                    {"ownFolder", s.own_folder},
                    {"terminal", s.terminal},
                    {"preservedFds", s.preserved_fds},
                    {"notes", s.notes},
                    {"versions", versions}};
  // Arguments and variables are bytes to the kernel: what is not UTF-8 must not stop the start.
  return out.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

ContainerSettings container_settings_from_json(std::string_view text) {
  return read_json(text, settings_from);
}

}  // namespace mx::start
