#include "shim/monitor/memory_group.h"

#include <fstream>
#include <sstream>

namespace mx::monitor {

namespace {

constexpr uint64_t kNoLimit = uint64_t{1}
                              << 60;  // version 1 writes a number of pages that no machine has

bool has_word(const std::string& list, const std::string& word) {
  return ("," + list + ",").find("," + word + ",") != std::string::npos;
}

// The path of this process in the hierarchy that counts memory: "N:memory:/path", or "0::/path" for
// version 2.
std::string own_group(bool unified) {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (unified ? line.starts_with("0::") : has_word(controllers, "memory"))
      return line.substr(second + 1);
  }
  return "";
}

struct Mount {
  std::string root, place;
};

std::optional<Mount> mount_of_groups(bool unified) {
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    const size_t dash = line.find(" - ");
    if (dash == std::string::npos || line.compare(dash + 3, 6, "cgroup") != 0) continue;
    std::istringstream before(line), after(line.substr(dash + 3));
    std::string skip, type, source, options;
    Mount mount;
    before >> skip >> skip >> skip >> mount.root >> mount.place;
    after >> type >> source >> options;
    if (unified ? type == "cgroup2" : type == "cgroup" && has_word(options, "memory")) return mount;
  }
  return std::nullopt;
}

std::string folder_of_group(bool unified) {
  const std::string group = own_group(unified);
  const auto mount = mount_of_groups(unified);
  if (group.empty() || !mount) return "";
  const std::string root = mount->root == "/" ? "" : mount->root;
  // With a name space of its own the process is at "/", and so is what is mounted.
  const std::string rest = group.starts_with(root) ? group.substr(root.size())
                           : group == "/"          ? ""
                                                   : "?";
  return rest == "?" ? "" : mount->place + rest;
}

uint64_t value_of(const std::string& file, const std::string& key) {
  std::ifstream in(file);
  std::string name;
  for (uint64_t value; in >> name >> value;)
    if (name == key) return value;
  return 0;
}

bool readable(const std::string& file) { return std::ifstream(file).good(); }

}  // namespace

MemoryGroup::MemoryGroup() {
  for (const bool unified : {false, true}) {
    const std::string folder = folder_of_group(unified);
    if (folder.empty() || !readable(folder + (unified ? "/memory.events" : "/memory.oom_control")))
      continue;
    folder_ = folder;
    unified_ = unified;
    return;
  }
}

std::optional<uint64_t> MemoryGroup::limit() const {
  if (folder_.empty()) return std::nullopt;
  std::ifstream in(folder_ + (unified_ ? "/memory.max" : "/memory.limit_in_bytes"));
  uint64_t bytes = 0;
  if (!(in >> bytes) || bytes >= kNoLimit) return std::nullopt;  // "max" is no number
  return bytes;
}

uint64_t MemoryGroup::kills() const {
  if (folder_.empty()) return value_of("/proc/vmstat", "oom_kill");
  return value_of(folder_ + (unified_ ? "/memory.events" : "/memory.oom_control"), "oom_kill");
}

}  // namespace mx::monitor
