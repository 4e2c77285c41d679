#include "oci/rewrite/prepare.hpp"

#include <fcntl.h>
#include <fnmatch.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/program_check.hpp"
#include "oci/rewrite/tables.hpp"
#include "oci/start/settings_json.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

void check_allowed(const Config& config, const std::string& setting, const std::string& name) {
  for (const std::string& pattern : config.allow)
    if (fnmatch(pattern.c_str(), name.c_str(), 0) == 0) return;
  throw Failure(setting + ": the image " + name + " is not allowed by images.allow");
}

StoredImage stored_image(const Config& config, const std::string& setting, const std::string& name,
                         const std::string& digest) {
  check_allowed(config, setting, name);
  try {
    const auto image = Store(config.store).find(name, digest);
    if (image) return *image;
  } catch (const Failure& failure) {
    throw Failure(setting + ": " + failure.what());
  }
  throw Failure(setting + ": there is no image " + name + " in mx's store (mx image add " + name +
                " SOURCE)");
}

// The volume must be a mount of this container; links in it are resolved by the hook, inside it.
void check_volume(const Json& original, const Request& request) {
  const std::string destination = volume_mount(original, request.source.path);
  if (destination.empty())
    throw Failure(request.setting + ": \"" + request.source.text +
                  "\" is not a volume of this container");
  for (const char* own : {"/proc", "/sys", "/dev"})
    if (is_below(destination, own))
      throw Failure(request.setting + ": \"" + request.source.text + "\" lies in " + own);
  std::string source, type;
  for (const Json& mount : array_at(original, "mounts"))
    if (string_at(mount, "destination", "") == destination) {
      source = string_at(mount, "source", "");
      type = string_at(mount, "type", "bind");
    }
  if ((type != "bind" && type != "none") || source.empty() || source[0] != '/') return;
  const std::string rest = request.source.path.substr(destination.size());
  ScopedFd volume(open(source.c_str(), O_PATH | O_CLOEXEC));
  if (!volume.valid() ||
      !open_in_root(volume.get(), rest.empty() ? "/" : rest, O_PATH | O_DIRECTORY).valid())
    throw Failure(request.setting + ": there is no folder " + request.source.path +
                  " in the volume");
}

void check_program_files(const Config& config) {
  for (const fs::path& file : {config.monitor_path(), config.hook_path(), config.enter_path()})
    if (access(file.c_str(), X_OK) != 0)
      throw system_failure("mx is not installed completely: " + file.string(), errno);
}

void make_upper(const ContainerState& state, const MappedRoot& root) {
  for (const char* part : {"", "upper", "work"}) {
    const fs::path folder = *part == '\0' ? state.upper : state.upper / part;
    fs::create_directories(folder);
    if (chown(folder.c_str(), root.uid, root.gid) != 0)
      throw system_failure("cannot prepare " + folder.string(), errno);
  }
}

void write_files(const ContainerState& state, const Rewritten& rewritten, const std::string& text,
                 const MappedRoot& root) {
  replace_file(state.folder / "config.json", text, 0600);
  replace_file(state.folder / "plan.json", dump_document(rewritten.plan), 0600);
  replace_file(state.in() / "settings.json", start::to_json(rewritten.settings), 0600);
  if (!rewritten.filter.empty()) {
    replace_file(state.in() / "seccomp.bpf", rewritten.filter, 0600);
    replace_file(state.folder / "exec.bpf", rewritten.exec_filter, 0600);
  }
  for (const fs::path& file :
       {state.folder / "plan.json", state.in() / "settings.json", state.in() / "seccomp.bpf"})
    if (root.mapped && fs::exists(file) && chown(file.c_str(), root.uid, root.gid) != 0)
      throw system_failure("cannot prepare " + file.string(), errno);
}

// The precreate hook was here already. Users cannot write hooks.
bool is_rewritten(const Config& config, const Json& original) {
  for (const Json& hook : array_at(original, "hooks.createContainer"))
    if (string_at(hook, "path", "") == config.hook_path()) return true;
  return false;
}

ContainerState new_state(const Config& config, const Bundle& bundle, const Request& request,
                         const Json& original) {
  ContainerState state;
  state.id = bundle.id;
  state.bundle = bundle.folder;
  state.config_file = bundle.config_file;
  state.runtime_root = bundle.runtime_root;
  state.reports = config.store / "reports";
  state.upper = config.store / "containers" / bundle.id;
  state.first = request.first();
  state.second = request.second;
  state.source = request.source.text;
  state.leader = request.leader;
  state.own_folder = own_folder(original);
  return state;
}

std::optional<Prepared> prepare_versions(const Config& config, const Bundle& bundle,
                                         const Json& original, const Request& request,
                                         const std::string& text) {
  ContainerState state = new_state(config, bundle, request, original);
  state.folder = config.state / state.id;  // the hooks' arguments name it
  std::optional<StoredImage> image, own_image;
  if (request.source.kind == Source::Kind::kImage)
    image = stored_image(config, request.setting, request.source.name, request.source.digest);
  else
    check_volume(original, request);
  if (!request.own_image.empty())
    own_image = stored_image(config, "run.mx.image", request.own_image, "");
  check_program_files(config);
  if (image) state.image = image->digest;
  const MappedRoot root = mapped_root(original);
  const Rewritten rewritten =
      rewrite(original, RewriteInput{config, request, state, image, own_image, bundle.inner_is_runc,
                                     bundle.preserved_fds});
  if (program_is_missing(original, rewritten.settings, state, image)) return std::nullopt;
  create_state(config, state, root.uid, root.gid);
  try {
    make_upper(state, root);
    make_tables(config, original, rewritten.settings, state, image);
    fs::create_directory(state.in() / "sites");  // where the hook shows them to the monitor
    write_files(state, rewritten, text, root);
    if (root.mapped && fs::exists(state.report()) &&
        chown(state.report().c_str(), root.uid, root.gid) != 0)
      throw system_failure("cannot prepare the report", errno);
  } catch (...) {
    ContainerState quiet = state;
    quiet.reports.clear();
    retire_state(quiet);
    throw;
  }
  return Prepared{state, dump_document(rewritten.config)};
}

Prepared prepare_alone(const Config& config, const Bundle& bundle, const Json& original,
                       const std::string& text, const std::string& reason) {
  ContainerState state;
  state.id = bundle.id;
  state.bundle = bundle.folder;
  state.config_file = bundle.config_file;
  state.runtime_root = bundle.runtime_root;
  state.reports = config.store / "reports";
  state.active = false;
  create_state(config, state, 0, 0);
  replace_file(state.folder / "config.json", text, 0600);
  add_event(state, "dropped", {{"reason", reason}});
  return {state, dump_document(without_request(original))};
}

}  // namespace

std::optional<Prepared> prepare(const Config& config, const Bundle& bundle,
                                const std::string& text) {
  if (!may_ask(text)) return std::nullopt;
  const Json original = parse_document(text, "config.json");
  if (is_rewritten(config, original)) return std::nullopt;
  try {
    const auto request = read_request(original, config);
    if (!request) return std::nullopt;
    clean_stale(config);
    return prepare_versions(config, bundle, original, *request, text);
  } catch (const Failure& failure) {
    if (!is_optional(original)) throw;
    return prepare_alone(config, bundle, original, text, failure.what());
  }
}

}  // namespace mx::oci
