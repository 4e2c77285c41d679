#include "oci/state/container_state.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <sstream>

#include "oci/base/clock.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

void make_folder(const fs::path& path, mode_t mode, unsigned uid = 0, unsigned gid = 0) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    throw system_failure("cannot create " + path.string(), errno);
  if ((uid != 0 || gid != 0) && chown(path.c_str(), uid, gid) != 0)
    throw system_failure("cannot give " + path.string() + " to the container's root", errno);
}

// A zombie nobody waits for counts as dead; another start time means that the number was reused.
bool is_alive(int pid, int64_t started) {
  const int64_t now = start_time_of(pid);
  return now != 0 && (started == 0 || now == started);
}

void remove_tree(const fs::path& path) {
  std::error_code error;
  if (path.empty()) return;
  fs::remove_all(path, error);
  if (error) throw Failure("cannot remove " + path.string() + ": " + error.message());
}

void delete_old_reports(const Config& config) {
  std::error_code error;
  const auto limit = fs::file_time_type::clock::now() - std::chrono::seconds(config.keep_seconds);
  for (const auto& entry : fs::directory_iterator(config.store / "reports", error))
    if (entry.last_write_time(error) < limit && !error) fs::remove_all(entry.path(), error);
}

}  // namespace

namespace {

// A folder being retired has this before its name. No container id begins so: "," is not allowed.
constexpr char kClaimed[] = ",retiring-";

// Another process may retire the state at any time.
std::optional<ContainerState> try_load(const fs::path& folder) {
  if (!fs::exists(folder / "meta.json")) return std::nullopt;
  try {
    return load_state_folder(folder);
  } catch (const Failure&) {
    if (!fs::exists(folder / "meta.json")) return std::nullopt;
    throw;
  }
}

void finish_retiring(const ContainerState& state) {
  if (!state.reports.empty() && fs::exists(state.report())) {
    std::error_code error;
    fs::create_directories(state.reports, error);
    chmod(state.reports.c_str(), 0700);
    const fs::path target = state.reports / (state.id + "-" + rfc3339_now());
    fs::create_directory(target, error);
    unlink((state.out() / "control.sock").c_str());  // fs::copy stops at a socket
    // /run is another file system: copy. Links a container may have planted stay links.
    fs::copy(state.out(), target, fs::copy_options::recursive | fs::copy_options::copy_symlinks,
             error);
    fs::copy_file(state.folder / "meta.json", target / "meta.json", error);
  }
  remove_tree(state.upper);
  remove_tree(state.folder);
}

}  // namespace

int64_t start_time_of(int pid) {
  if (pid <= 0) return 0;
  std::optional<std::string> stat;
  try {
    stat = read_file_if_there("/proc/" + std::to_string(pid) + "/stat", 4096);
  } catch (const Failure&) {
    return 0;  // it ended while it was read
  }
  // "pid (name) state ppid …": the name may hold anything, so count from its last parenthesis.
  const size_t name_end = stat ? stat->rfind(") ") : std::string::npos;
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(stat->substr(name_end + 2));
  std::string state, skip;
  fields >> state;
  for (int field = 4; field <= 21; ++field) fields >> skip;
  int64_t started = 0;
  fields >> started;
  return state == "Z" || state == "X" ? 0 : started;
}

std::optional<ContainerState> load_state(const Config& config, const std::string& id,
                                         const std::string& runtime_root) {
  const auto found = try_load(config.state / id);
  if (!found) return std::nullopt;
  ContainerState state = *found;
  if (!runtime_root.empty() && !state.runtime_root.empty() && state.runtime_root != runtime_root)
    return std::nullopt;
  return state;
}

ContainerState load_state_folder(const fs::path& folder) {
  const fs::path file = folder / "meta.json";
  const Json meta = parse_document(read_file(file, 1 << 20), file.string());
  ContainerState s;
  s.folder = folder;
  s.id = string_at(meta, "id", "");
  s.bundle = string_at(meta, "bundle", "");
  s.config_file = string_at(meta, "configFile", "");
  s.runtime_root = string_at(meta, "runtimeRoot", "");
  s.upper = string_at(meta, "upper", "");
  s.reports = string_at(meta, "reports", "");
  s.first = string_at(meta, "first", "old");
  s.second = string_at(meta, "second", "new");
  s.image = string_at(meta, "image", "");
  s.source = string_at(meta, "source", "");
  s.leader = string_at(meta, "leader", "old");
  s.own_folder = string_at(meta, "ownFolder", "");
  s.created = string_at(meta, "created", "");
  s.active = bool_at(meta, "active", true);
  s.creator = static_cast<int>(integer_at(meta, "creator", 0));
  s.creator_started = integer_at(meta, "creatorStarted", 0);
  s.pid = static_cast<int>(integer_at(meta, "pid", 0));
  s.pid_started = integer_at(meta, "pidStarted", 0);
  return s;
}

std::vector<ContainerState> all_states(const Config& config) {
  std::vector<ContainerState> states;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config.state, error)) {
    if (entry.path().filename().string().starts_with(kClaimed)) continue;
    if (auto state = try_load(entry.path())) states.push_back(std::move(*state));
  }
  std::sort(states.begin(), states.end(),
            [](const auto& a, const auto& b) { return a.created < b.created; });
  return states;
}

void create_state(const Config& config, ContainerState& state, unsigned uid, unsigned gid) {
  state.folder = config.state / state.id;
  if (fs::exists(state.folder / "meta.json")) {
    const ContainerState before = load_state_folder(state.folder);
    if (!is_gone(before) && before.bundle != state.bundle)
      throw Failure("another container with the id " + state.id + " runs under mx (bundle " +
                    before.bundle.string() + ")");
    retire_state(before);
  }
  std::error_code error;
  fs::create_directories(config.state.parent_path(), error);
  // 0711: in a user namespace the container's root walks through it to its own folder.
  make_folder(config.state, uid != 0 ? 0711 : 0700);
  if (uid != 0 && chmod(config.state.c_str(), 0711) != 0)
    throw system_failure("cannot open " + config.state.string() + " for user namespaces", errno);
  make_folder(state.folder, 0700, uid, gid);
  make_folder(state.in(), 0700, uid, gid);
  make_folder(state.out(), 0700, uid, gid);
  make_folder(state.out() / "crash", 0700, uid, gid);
  state.created = rfc3339_now();
  state.creator = getpid();
  state.creator_started = start_time_of(state.creator);
  save_state(state);
}

void save_state(const ContainerState& s) {
  const Json meta = {{"id", s.id},
                     {"bundle", s.bundle.string()},
                     {"configFile", s.config_file.string()},
                     {"runtimeRoot", s.runtime_root.string()},
                     {"upper", s.upper.string()},
                     {"reports", s.reports.string()},
                     {"first", s.first},
                     {"second", s.second},
                     {"image", s.image},
                     {"source", s.source},
                     {"leader", s.leader},
                     {"ownFolder", s.own_folder},
                     {"created", s.created},
                     {"active", s.active},
                     {"creator", s.creator},
                     {"creatorStarted", s.creator_started},
                     {"pid", s.pid},
                     {"pidStarted", s.pid_started}};
  replace_file(s.folder / "meta.json", meta.dump(2) + "\n", 0600);
}

void add_event(const ContainerState& state, const std::string& event, const Json& fields) {
  Json line = {{"time", rfc3339_now()}, {"event", event}};
  for (const auto& [key, value] : fields.items()) line[key] = value;
  append_to_file(state.report(), dump_document(line) + "\n");
}

std::string current_leader(const ContainerState& state) {
  std::string leader = state.leader;
  const auto report = read_file_if_there(state.report());
  if (!report) return leader;
  for (size_t at = 0; at < report->size();) {
    const size_t end = std::min(report->find('\n', at), report->size());
    const Json line = Json::parse(report->begin() + static_cast<long>(at),
                                  report->begin() + static_cast<long>(end), nullptr, false);
    at = end + 1;
    if (!line.is_object() || !line.contains("event")) continue;
    // The report is written from inside the container: take nothing but the two known words.
    const Json to = line["event"] == "failover"   ? line.value("to", Json())
                    : line["event"] == "promoted" ? line.value("version", Json())
                                                  : Json();
    if (to == "old" || to == "new") leader = to.get<std::string>();
  }
  return leader;
}

bool is_gone(const ContainerState& state) {
  if (is_alive(state.pid, state.pid_started)) return false;
  if (state.pid == 0 && is_alive(state.creator, state.creator_started)) return false;
  return state.runtime_root.empty() ? !fs::exists(state.bundle)
                                    : !fs::exists(state.runtime_root / state.id);
}

void retire_state(const ContainerState& state) {
  // poststop, `run`'s own clean-up and another container's create may come together: the one whose
  // rename succeeds does it.
  ContainerState claimed = state;
  claimed.folder =
      state.folder.parent_path() / (kClaimed + state.id + "-" + std::to_string(getpid()));
  if (rename(state.folder.c_str(), claimed.folder.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw system_failure("cannot retire " + state.folder.string(), errno);
  }
  finish_retiring(claimed);
}

void clean_stale(const Config& config) {
  // What a process that was killed in the middle of it left.
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(config.state, error)) {
    const std::string name = entry.path().filename();
    const int owner = atoi(name.c_str() + name.rfind('-') + 1);
    if (!name.starts_with(kClaimed) || is_alive(owner, 0)) continue;
    try {
      finish_retiring(load_state_folder(entry.path()));
    } catch (const Failure&) {
      fs::remove_all(entry.path(), error);  // its meta.json went already
    }
  }
  for (const ContainerState& state : all_states(config)) {
    try {
      if (is_gone(state)) retire_state(state);
    } catch (const std::exception&) {
      continue;  // a busy folder: the next create tries again
    }
  }
  delete_old_reports(config);
}

void restore_config(const ContainerState& state) {
  const auto original = read_file_if_there(state.folder / "config.json");
  if (!original || state.config_file.empty() || !fs::exists(state.config_file)) return;
  if (read_file(state.config_file) != *original) replace_file(state.config_file, *original);
}

}  // namespace mx::oci
