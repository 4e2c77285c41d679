#include "hooks/stages.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <random>

#include "hooks/plan.hpp"
#include "hooks/second_root.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/prepare.hpp"
#include "oci/start/settings_json.hpp"
#include "oci/state/container_state.hpp"

namespace mx::hooks {
namespace {

namespace fs = std::filesystem;

bool is_hex_id(const std::string& text) {
  return text.size() == 64 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

// precreate is not told the container's id. podman's and CRI-O's mounts and cgroup carry it.
std::string id_from(const oci::Json& config) {
  std::string text = oci::string_at(config, "linux.cgroupsPath", "");
  for (const oci::Json& mount : oci::array_at(config, "mounts"))
    text += "/" + oci::string_at(mount, "source", "");
  for (size_t at = 0; at + 64 <= text.size(); ++at)
    if (is_hex_id(text.substr(at, 64)) && (at == 0 || !isxdigit(text[at - 1])))
      return text.substr(at, 64);
  std::random_device random;
  char made[32];
  snprintf(made, sizeof made, "precreate-%08x%08x", random(), random());
  return made;
}

// The bundle that holds the container's own files ("…/overlay-containers/ID/userdata/resolv.conf").
fs::path bundle_from(const oci::Json& config, const std::string& id) {
  for (const oci::Json& mount : oci::array_at(config, "mounts")) {
    const std::string source = oci::string_at(mount, "source", "");
    const size_t at = source.find("/" + id + "/userdata/");
    if (at != source.npos) return source.substr(0, at + id.size() + 10);
  }
  return fs::current_path();
}

void run_alone(const Plan& plan, const oci::ContainerState& state, const std::string& reason) {
  const fs::path file = state.in() / "settings.json";
  start::ContainerSettings settings = start::container_settings_from_json(oci::read_file(file));
  std::erase_if(settings.versions, [&](const auto& v) { return v.name == plan.second; });
  settings.leader = settings.versions.at(0).name;
  settings.notes.push_back("the " + plan.second + " version was left out: " + reason);
  oci::replace_file(file, start::to_json(settings), 0600);
  oci::add_event(state, "dropped", {{"version", plan.second}, {"reason", reason}});
}

// The runtime writes the container's state there. Every stage reads it: crun fails with EPIPE
// ("exit code: -33") when a hook that does not need it has ended before.
std::string read_standard_input() {
  std::string text;
  char buffer[65536];
  for (ssize_t got; (got = read(0, buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<size_t>(got));
    if (text.size() > oci::kMaxSpecBytes) throw oci::Failure("standard input is too large");
  }
  return text;
}

}  // namespace

int precreate() {
  const std::string text = read_standard_input();
  const oci::Config settings = oci::load_config();
  std::string answer = text;
  if (oci::may_ask(text)) {
    const oci::Json config = oci::parse_document(text, "config.json");
    oci::Bundle bundle;
    bundle.id = id_from(config);
    bundle.folder = bundle_from(config, bundle.id);
    bundle.config_file = bundle.folder / "config.json";
    bundle.inner_is_runc = false;
    if (const auto prepared = oci::prepare(settings, bundle, text)) answer = prepared->new_config;
  }
  return fwrite(answer.data(), 1, answer.size(), stdout) == answer.size() && fflush(stdout) == 0
             ? 0
             : 1;
}

int create_runtime(const fs::path& folder) {
  const oci::Json about = oci::parse_document(read_standard_input(), "the container's state");
  oci::ContainerState state = oci::load_state_folder(folder);
  state.pid = static_cast<int>(oci::integer_at(about, "pid", 0));
  state.pid_started = oci::start_time_of(state.pid);
  // precreate could only guess the bundle.
  if (const std::string bundle = oci::string_at(about, "bundle", "");
      !bundle.empty() && bundle != state.bundle) {
    state.bundle = bundle;
    state.config_file = state.bundle / "config.json";
  }
  oci::save_state(state);
  oci::restore_config(state);
  return 0;
}

int create_container(const fs::path& folder) {
  read_standard_input();
  const Plan plan = read_plan(folder / "plan.json");
  build_own_folder(plan);
  try {
    build_second_root(plan);
  } catch (const oci::Failure& failure) {
    if (!plan.optional) throw;
    const std::string second = plan.rootfs.string() + plan.own_folder + "/" + plan.second;
    umount2(second.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    oci::ContainerState state;
    state.folder = folder;
    run_alone(plan, state, failure.what());
  }
  return 0;
}

int post_stop(const fs::path& folder) {
  read_standard_input();
  if (fs::exists(folder / "meta.json")) oci::retire_state(oci::load_state_folder(folder));
  return 0;
}

}  // namespace mx::hooks
