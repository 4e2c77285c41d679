#include "oci/rewrite/version.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <algorithm>

#include "oci/base/failure.hpp"
#include "oci/settings/request.hpp"
#include "oci/start/settings_json.hpp"

namespace mx::oci {
namespace {

uint64_t mask_at(const Json& process, const char* name) {
  uint64_t mask = 0;
  for (const std::string& capability : strings_at(process, std::string("capabilities.") + name))
    mask |= start::capability_bit(capability).value_or(0);
  return mask;
}

uint64_t every_capability() {
  uint64_t mask = 0;
  for (int bit = 0; bit < 64 && prctl(PR_CAPBSET_READ, bit, 0, 0, 0) >= 0; ++bit)
    if (prctl(PR_CAPBSET_READ, bit, 0, 0, 0) == 1) mask |= uint64_t{1} << bit;
  return mask;
}

start::CapabilitySets capabilities_of(const Json& process, uid_t uid) {
  if (find_member(process, "capabilities") == nullptr) {
    // No capabilities object: the runtime leaves what it has; only root keeps it over setuid.
    const uint64_t all = every_capability();
    return {all, uid == 0 ? all : 0, uid == 0 ? all : 0, 0, 0};
  }
  start::CapabilitySets sets{mask_at(process, "bounding"), mask_at(process, "effective"),
                             mask_at(process, "permitted"), mask_at(process, "inheritable"),
                             mask_at(process, "ambient")};
  return sets;
}

std::vector<start::ResourceLimit> limits_of(const Json& process) {
  std::vector<start::ResourceLimit> limits;
  for (const Json& limit : array_at(process, "rlimits")) {
    const std::string type = string_at(limit, "type", "");
    const auto resource = start::limit_by_name(type);
    if (!resource)
      throw Failure("config.json: process.rlimits has the unknown type \"" + type + "\"");
    const auto number = [&](const char* name) {
      const Json* found = find_member(limit, name);
      if (found == nullptr) return uint64_t{0};
      if (!found->is_number_integer())
        throw Failure(std::string("config.json: process.rlimits.") + name + " is not an integer");
      return found->get<uint64_t>();
    };
    limits.push_back({*resource, number("soft"), number("hard")});
  }
  return limits;
}

// "/sbin/docker-init --" and podman's; the monitor reaps orphans itself.
void drop_engine_init(std::vector<std::string>& args) {
  if (args.size() < 3 || args[1] != "--") return;
  for (const char* init : {"/sbin/docker-init", "/run/podman-init", "/dev/init"})
    if (args[0] == init) {
      args.erase(args.begin(), args.begin() + 2);
      return;
    }
}

// Limits of time, sizes and stacks are the program's, not the monitor's, which would end of them
// one day. It keeps what lets a version, without CAP_SYS_RESOURCE, set them for itself: no hard
// limit is below the asked one, and that of address space has room for the arena.
Json limits_for_monitor(const Json& process) {
  Json out = Json::array();
  for (Json limit : array_at(process, "rlimits")) {
    const auto resource = start::limit_by_name(string_at(limit, "type", ""));
    bool programs = false;
    for (const int one :
         {RLIMIT_AS, RLIMIT_DATA, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_STACK, RLIMIT_RSS})
      programs = programs || resource == one;
    rlimit now{};
    if (programs && getrlimit(static_cast<__rlimit_resource>(*resource), &now) == 0) {
      const Json* asked = find_member(limit, "hard");
      uint64_t wanted = asked != nullptr ? asked->get<uint64_t>() : 0;
      if (resource == RLIMIT_AS && wanted < RLIM_INFINITY - start::kAddressSpaceOfMx)
        wanted += start::kAddressSpaceOfMx;
      const uint64_t hard = std::max<uint64_t>(now.rlim_max, wanted);
      limit["soft"] = hard;
      limit["hard"] = hard;
    }
    out.push_back(limit);
  }
  return out;
}

uint32_t id_at(const Json& process, const std::string& path) {
  const int64_t id = integer_at(process, path, 0);
  if (id < 0 || id > 0xfffffffeLL)
    throw Failure("config.json: process." + path + " is out of range");
  return static_cast<uint32_t>(id);
}

}  // namespace

start::VersionSettings version_from_process(const Json& process) {
  start::VersionSettings v;
  v.args = strings_at(process, "args");
  if (v.args.empty()) throw Failure("config.json: process.args is missing or empty");
  drop_engine_init(v.args);
  v.env = without_settings(strings_at(process, "env"));
  v.cwd = string_at(process, "cwd", "/");
  if (v.cwd.empty() || v.cwd[0] != '/')
    throw Failure("config.json: process.cwd is not an absolute path");
  v.uid = id_at(process, "user.uid");
  v.gid = id_at(process, "user.gid");
  for (const Json& gid : array_at(process, "user.additionalGids")) {
    if (!gid.is_number_unsigned())
      throw Failure("config.json: process.user.additionalGids is not an array of group ids");
    v.additional_gids.push_back(gid.get<gid_t>());
  }
  if (find_member(process, "user.umask") != nullptr) v.umask = id_at(process, "user.umask");
  v.capabilities = capabilities_of(process, v.uid);
  v.limits = limits_of(process);
  v.no_new_privileges = bool_at(process, "noNewPrivileges", false);
  if (find_member(process, "oomScoreAdj") != nullptr)
    v.oom_score_adj = static_cast<int>(integer_at(process, "oomScoreAdj", 0));
  return v;
}

uint64_t monitor_capabilities() {
  uint64_t mask = 0;
  for (const int bit : {CAP_SYS_CHROOT, CAP_SETUID, CAP_SETGID, CAP_SETPCAP, CAP_SYS_ADMIN,
                        CAP_SYS_PTRACE, CAP_KILL, CAP_DAC_OVERRIDE, CAP_SYS_NICE})
    mask |= uint64_t{1} << bit;
  return mask;
}

Json process_for_monitor(const Json& process, const std::vector<std::string>& args,
                         const std::vector<std::string>& env) {
  Json out = process;
  out["args"] = args;
  out["env"] = env;
  out["cwd"] = "/";
  out["user"] = {{"uid", 0}, {"gid", 0}};
  const start::VersionSettings user = version_from_process(process);
  if (find_member(process, "rlimits") != nullptr) out["rlimits"] = limits_for_monitor(process);
  const uint64_t held = user.capabilities.bounding | user.capabilities.permitted |
                        user.capabilities.inheritable | monitor_capabilities();
  const auto names = start::capability_names(held);
  const auto inheritable = start::capability_names(user.capabilities.inheritable);
  out["capabilities"] = {{"bounding", names},
                         {"effective", names},
                         {"permitted", names},
                         {"inheritable", inheritable}};
  return out;
}

}  // namespace mx::oci
