#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "oci/base/base64.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/rewrite/program_check.hpp"
#include "oci/rewrite/rewrite.hpp"
#include "oci/rewrite/version.hpp"
#include "oci/runtime/error_log.hpp"
#include "oci/runtime/verbs.hpp"
#include "oci/start/settings_json.hpp"
#include "oci/state/container_state.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

// `exec ID COMMAND…` without --process: runc takes the bundle's process and lays the flags over it.
Json process_from_flags(const ContainerState& state, const CommandLine& line) {
  const Json bundle = parse_document(read_file(state.folder / "config.json"), "config.json");
  Json process = object_at(bundle, "process");
  process["args"] = std::vector<std::string>(line.positional.begin() + 1, line.positional.end());
  process["terminal"] = line.has("tty");
  if (const auto cwd = line.value("cwd")) process["cwd"] = *cwd;
  if (const auto label = line.value("process-label")) process["selinuxLabel"] = *label;
  if (const auto profile = line.value("apparmor")) process["apparmorProfile"] = *profile;
  if (line.has("no-new-privs")) process["noNewPrivileges"] = true;
  if (const auto user = line.value("user")) {
    const size_t colon = user->find(':');
    process["user"]["uid"] = strtoul(user->c_str(), nullptr, 10);
    if (colon != std::string::npos)
      process["user"]["gid"] = strtoul(user->c_str() + colon + 1, nullptr, 10);
  }
  Json gids = Json::array();
  for (const Flag& flag : line.flags) {
    if (flag.name == "env") process["env"].push_back(flag.value);
    if (flag.name == "additional-gids") gids.push_back(strtoul(flag.value.c_str(), nullptr, 10));
    if (flag.name == "cap")
      for (const char* set : {"bounding", "effective", "permitted"})
        process["capabilities"][set].push_back(flag.value);
  }
  if (!gids.empty()) process["user"]["additionalGids"] = gids;
  return process;
}

Json asked_process(const ContainerState& state, const CommandLine& line) {
  if (const auto file = line.value("process"))
    return parse_document(read_file(*file, kMaxSpecBytes), *file);
  return process_from_flags(state, line);
}

// The version's root as the host sees it, through the
// container's first process. Invalid: cannot tell.
ScopedFd open_root_of(const ContainerState& state, const start::VersionSettings& version) {
  const std::string path = "/proc/" + std::to_string(state.pid) + "/root";
  const ScopedFd container(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return container.valid() ? open_in_root(container.get(), version.root, O_PATH | O_DIRECTORY)
                           : ScopedFd();
}

std::string not_found_message(const start::VersionSettings& version) {
  const std::string& name = version.args[0];
  const bool path = name.find('/') != std::string::npos;
  return "exec failed: unable to start container process: exec: \"" + name + "\": " +
         (path ? "stat " + name + ": no such file or directory"
               : "executable file not found in $PATH");
}

// What would keep the command from starting, in runc's words; "" if nothing that is seen from here.
std::string obstacle(const ContainerState& state, const start::VersionSettings& version) {
  const ScopedFd root = open_root_of(state, version);
  if (!root.valid()) return "";
  if (find_program_in(root.get(), version).empty()) return not_found_message(version);
  if (open_in_root(root.get(), version.cwd, O_PATH | O_DIRECTORY).valid()) return "";
  if (errno != ENOENT && errno != ENOTDIR) return "";
  return "exec failed: unable to start container process: chdir to cwd (\"" + version.cwd +
         "\") set in config.json failed: " +
         (errno == ENOENT ? "no such file or directory" : "not a directory");
}

// The process that the inner runtime starts: mx-enter with the monitor's rights, which becomes the
// command with exactly the asked ones.
Json helper_process(const Json& process, const ContainerState& state,
                    const start::VersionSettings& version, const std::string& filter) {
  const Json enter = {{"version", Json::parse(start::to_json(version))},
                      {"filter", to_base64(filter)}};
  Json out = process_for_monitor(process, {state.own_folder + "/bin/mx-enter"},
                                 {"MX_ENTER=" + dump_document(enter)});
  return out;
}

// A file for --process which is deleted when the inner runtime has ended.
class ProcessFile {
 public:
  ProcessFile(const ContainerState& state, const Json& process)
      : path_((state.folder / "exec.XXXXXX").string()) {
    const ScopedFd fd(mkostemp(path_.data(), O_CLOEXEC));
    if (!fd.valid()) throw system_failure("cannot create " + path_, errno);
    replace_file(path_, dump_document(process), 0600);
  }
  ~ProcessFile() { unlink(path_.c_str()); }
  ProcessFile(const ProcessFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace

int exec_verb(const Config& config, const Inner& inner, const CommandLine& line) {
  const auto state = load_state(config, line.id(), runtime_root(inner, line));
  if (!state || !state->active) exec_inner(inner, line.words);
  const Json process = asked_process(*state, line);
  start::VersionSettings version = version_from_process(process);
  const std::string leader = current_leader(*state);
  version.name = leader;
  if (leader == state->second) version.root = state->own_folder + "/" + state->second;
  if (const std::string problem = obstacle(*state, version); !problem.empty()) {
    if (version.root == "/") exec_inner(inner, line.words);  // its own message
    report_error(line, problem);
    return 255;
  }
  const auto filter = read_file_if_there(state->folder / "exec.bpf");
  if (filter) {
    const Json original = parse_document(read_file(state->folder / "config.json"), "config.json");
    version.seccomp_flags = 0;
    if (const Json* profile = find_member(original, "linux.seccomp.flags"))
      for (const Json& flag : *profile)
        if (flag == "SECCOMP_FILTER_FLAG_SPEC_ALLOW") version.seccomp_flags |= 1u << 2;
  }
  Json changed = process;
  if (version.root == "/" && !filter)
    changed["env"] = version.env;
  else
    changed = helper_process(process, *state, version, filter.value_or(""));
  const ProcessFile file(*state, changed);
  std::vector<std::string> words = line.words_with("process", file.path());
  return run_inner(inner, words);
}

}  // namespace mx::oci
