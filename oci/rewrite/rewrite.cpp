#include "oci/rewrite/rewrite.hpp"

#include <sstream>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/image_defaults.hpp"
#include "oci/rewrite/seccomp.hpp"
#include "oci/rewrite/version.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

// Explicit env: runc's createContainer hooks inherit the container's environment otherwise, and the
// user's LD_PRELOAD with it (CVE-2025-23266). mx-hook is static for the same reason.
Json hook_entry(const RewriteInput& in, const std::string& stage) {
  return {{"path", in.config.hook_path().string()},
          {"args", {"mx-hook", stage, "--state", in.state.folder.string()}},
          {"env", {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"}},
          {"timeout", 60}};
}

void add_hooks(Json& config, const RewriteInput& in) {
  Json hooks = object_at(config, "hooks");
  for (const char* stage : {"createRuntime", "createContainer", "poststop"}) {
    Json list = array_at(hooks, stage);
    list.push_back(hook_entry(in, stage));
    hooks[stage] = list;
  }
  config["hooks"] = hooks;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) parts.push_back(part);
  return parts;
}

// The folders of which a mount is a read-only overlay; none if it is anything else. CRI-O's image
// volumes are overlays over overlays, and the kernel stacks no third: the second root is made of
// what they are made of.
std::vector<std::string> layers_of(const Json& config, const std::string& destination) {
  std::vector<std::string> layers;
  for (const Json& mount : array_at(config, "mounts")) {
    if (string_at(mount, "destination", "") != destination) continue;
    layers.clear();
    if (string_at(mount, "type", "") != "overlay") continue;
    for (const std::string& option : strings_at(mount, "options")) {
      if (option.starts_with("upperdir=")) return {};
      if (option.starts_with("lowerdir=") && option.find('\\') == std::string::npos)
        layers = split(option.substr(9), ':');
    }
  }
  for (const std::string& layer : layers)
    if (layer.empty() || layer[0] != '/') return {};
  return layers;
}

Json make_plan(const Json& original, const RewriteInput& in,
               const start::ContainerSettings& settings) {
  const MappedRoot root = mapped_root(original);
  Json plan = {{"rootfs", rootfs_of(original, in.state.bundle).string()},
               {"ownFolder", in.state.own_folder},
               {"in", in.state.in().string()},
               {"out", in.state.out().string()},
               {"tables", in.config.tables().string()},
               {"monitor", in.config.monitor_path().string()},
               {"enter", in.config.enter_path().string()},
               {"analyzers", in.config.analyzer_paths()},
               {"setting", in.request.setting},
               {"second", in.state.second},
               {"optional", in.request.optional},
               {"upper", in.state.upper.string()},
               {"userNamespace", root.mapped},
               {"readonly", bool_at(original, "root.readonly", false)},
               {"maskedPaths", array_at(original, "linux.maskedPaths")},
               {"readonlyPaths", array_at(original, "linux.readonlyPaths")},
               {"mountLabel", string_at(original, "linux.mountLabel", "")}};
  if (in.image)
    plan["lower"] = in.image->rootfs.string();
  else
    plan["volume"] = in.request.source.path;
  if (!in.image) {
    plan["volumeMount"] = volume_mount(original, in.request.source.path);
    plan["volumeLayers"] = layers_of(original, plan["volumeMount"]);
  }
  Json folders = Json::object();
  for (const auto& version : settings.versions) folders[version.name] = version.cwd;
  plan["folders"] = folders;
  return plan;
}

start::ContainerSettings make_settings(const Json& original, const RewriteInput& in,
                                       bool has_filter) {
  const std::string& own = in.state.own_folder;
  start::ContainerSettings s;
  s.id = in.state.id;
  s.leader = in.request.leader;
  s.lockstep = in.request.lockstep;
  s.threads = in.request.threads;
  s.recovery = in.request.recovery;
  s.hang_timeout = in.request.hang_timeout;
  s.replay_bundle = in.config.replay_bundle;
  s.core = in.config.core;
  s.rules_file = in.request.rules;
  s.state_folder = own + "/out";
  s.own_folder = own;
  s.terminal = bool_at(original, "process.terminal", false);
  s.preserved_fds = in.preserved_fds;
  start::VersionSettings first = version_from_process(object_at(original, "process"));
  first.name = in.state.first;
  first.image = "the container's image";
  if (has_filter) {
    first.seccomp_file = own + "/in/seccomp.bpf";
    first.seccomp_flags = profile_flags(object_at(original, "linux.seccomp"));
  }
  if (!in.config.apparmor_profile.empty())
    first.apparmor_profile = string_at(original, "process.apparmorProfile", "");
  start::VersionSettings second = first;
  second.name = in.state.second;
  second.root = own + "/" + second.name;
  second.image = in.request.source.text;
  if (in.image) {
    const auto own_defaults = in.own_image
                                  ? std::optional(image_defaults(in.own_image->config))
                                  : own_image_defaults(rootfs_of(original, in.state.bundle), s.id);
    apply_defaults(first, own_defaults, image_defaults(in.image->config), second, s.notes);
    second.image += " (" + in.image->digest + ")";
  }
  const bool first_is_old = first.name == "old";
  s.versions = first_is_old ? std::vector{first, second} : std::vector{second, first};
  return s;
}

}  // namespace

std::string volume_mount(const Json& config, const std::string& path) {
  std::string best;
  for (const Json& mount : array_at(config, "mounts")) {
    const std::string destination = string_at(mount, "destination", "");
    if (destination != "/" && is_below(path, destination) && destination.size() >= best.size())
      best = destination;
  }
  return best;
}

std::string own_folder(const Json& config) {
  for (const Json& mount : array_at(config, "mounts"))
    if (string_at(mount, "destination", "") == "/dev" && string_at(mount, "type", "") == "tmpfs")
      return "/dev/.mx";
  return "/.mx";
}

fs::path rootfs_of(const Json& config, const fs::path& bundle) {
  const fs::path root = string_at(config, "root.path", "rootfs");
  return (root.is_absolute() ? root : bundle / root).lexically_normal();
}

MappedRoot mapped_root(const Json& config) {
  MappedRoot root;
  for (const auto& [path, id] :
       {std::pair{"linux.uidMappings", &root.uid}, std::pair{"linux.gidMappings", &root.gid}})
    for (const Json& mapping : array_at(config, path)) {
      root.mapped = true;
      if (integer_at(mapping, "containerID", 0) == 0)
        *id = static_cast<unsigned>(integer_at(mapping, "hostID", 0));
    }
  return root;
}

Json without_request(const Json& original) {
  Json config = original;
  if (find_member(config, "process.env") != nullptr)
    config["process"]["env"] = without_settings(strings_at(original, "process.env"));
  return config;
}

Rewritten rewrite(const Json& original, const RewriteInput& in) {
  Rewritten out;
  const Json* profile = find_member(original, "linux.seccomp");
  if (profile != nullptr) {
    profile = &object_at(original, "linux.seccomp");  // refuses what is none, by name
    out.exec_filter = compile_profile(*profile, in.inner_is_runc);
    out.filter = with_takeover(out.exec_filter);
  }
  out.settings = make_settings(original, in, profile != nullptr);
  out.plan = make_plan(original, in, out.settings);
  out.config = original;
  const std::string& own = in.state.own_folder;
  out.config["process"] = process_for_monitor(
      object_at(original, "process"),
      {own + "/bin/mx-monitor", "container", "--settings", own + "/in/settings.json"},
      {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"});
  if (!in.config.apparmor_profile.empty())
    out.config["process"]["apparmorProfile"] = in.config.apparmor_profile;
  if (profile != nullptr) out.config["linux"]["seccomp"] = widen_profile(*profile);
  add_hooks(out.config, in);
  return out;
}

}  // namespace mx::oci
