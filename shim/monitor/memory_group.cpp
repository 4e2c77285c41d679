#include "shim/monitor/memory_group.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <vector>

namespace mx::monitor {

namespace {

constexpr uint64_t kNoLimit = uint64_t{1}
                              << 60;  // version 1 writes a number of pages that no machine has

// Plain calls: the library's streams would take half of the time that this takes before a program
// can start.
std::string contents_of(const std::string& file) {
  std::string text;
  const int fd = open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return text;
  char part[4096];
  for (ssize_t n; (n = read(fd, part, sizeof part)) > 0;) text.append(part, static_cast<size_t>(n));
  close(fd);
  return text;
}

// Calls f with each piece of `text` between separators, until f returns true.
template <typename F>
bool any_piece(std::string_view text, char separator, F&& f) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(separator, at), text.size());
    if (f(text.substr(at, end - at))) return true;
    at = end + 1;
  }
  return false;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  any_piece(text, ' ', [&words](std::string_view word) {
    words.push_back(word);
    return false;
  });
  return words;
}

bool has_word(std::string_view list, std::string_view word) {
  return any_piece(list, ',', [word](std::string_view piece) { return piece == word; });
}

// The path of this process in the hierarchy that counts memory: "N:memory:/path", or "0::/path" for
// version 2.
std::string own_group(bool unified, std::string_view groups) {
  std::string path;
  any_piece(groups, '\n', [&](std::string_view line) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == line.npos) return false;
    const std::string_view controllers = line.substr(first + 1, second - first - 1);
    if (unified ? !line.starts_with("0::") : !has_word(controllers, "memory")) return false;
    path = line.substr(second + 1);
    return true;
  });
  return path;
}

struct Mount {
  std::string root, place;
};

// "ID PARENT DEVICE ROOT PLACE OPTIONS … - TYPE SOURCE OPTIONS"
std::optional<Mount> mount_of_groups(bool unified, std::string_view mounts) {
  std::optional<Mount> found;
  any_piece(mounts, '\n', [&](std::string_view line) {
    const size_t dash = line.find(" - ");
    if (dash == line.npos || line.compare(dash + 3, 6, "cgroup") != 0) return false;
    const std::vector<std::string_view> before = words_of(line),
                                        after = words_of(line.substr(dash + 3));
    if (before.size() < 5 || after.size() < 3) return false;
    if (unified ? after[0] != "cgroup2" : after[0] != "cgroup" || !has_word(after[2], "memory"))
      return false;
    found = {std::string(before[3]), std::string(before[4])};
    return true;
  });
  return found;
}

std::string folder_of_group(bool unified, std::string_view groups, std::string_view mounts) {
  const std::string group = own_group(unified, groups);
  if (group.empty()) return "";
  const auto mount = mount_of_groups(unified, mounts);
  if (!mount) return "";
  const std::string root = mount->root == "/" ? "" : mount->root;
  // With a name space of its own the process is at "/", and so is what is mounted.
  const std::string rest = group.starts_with(root) ? group.substr(root.size())
                           : group == "/"          ? ""
                                                   : "?";
  return rest == "?" ? "" : mount->place + rest;
}

// Of the line "KEY VALUE".
uint64_t value_of(const std::string& file, std::string_view key) {
  uint64_t value = 0;
  any_piece(contents_of(file), '\n', [&](std::string_view line) {
    const std::vector<std::string_view> words = words_of(line);
    if (words.size() != 2 || words[0] != key) return false;
    std::from_chars(words[1].data(), words[1].data() + words[1].size(), value);
    return true;
  });
  return value;
}

}  // namespace

MemoryGroup::MemoryGroup() {
  const std::string groups = contents_of("/proc/self/cgroup"),
                    mounts = contents_of("/proc/self/mountinfo");
  for (const bool unified : {false, true}) {
    const std::string folder = folder_of_group(unified, groups, mounts);
    if (folder.empty() ||
        access((folder + (unified ? "/memory.events" : "/memory.oom_control")).c_str(), R_OK) != 0)
      continue;
    folder_ = folder;
    unified_ = unified;
    return;
  }
}

std::optional<uint64_t> MemoryGroup::limit() const {
  if (folder_.empty()) return std::nullopt;
  const std::string text =
      contents_of(folder_ + (unified_ ? "/memory.max" : "/memory.limit_in_bytes"));
  uint64_t bytes = 0;  // "max" is no number
  if (std::from_chars(text.data(), text.data() + text.size(), bytes).ec != std::errc() ||
      bytes >= kNoLimit)
    return std::nullopt;
  return bytes;
}

uint64_t MemoryGroup::kills() const {
  if (folder_.empty()) return value_of("/proc/vmstat", "oom_kill");
  return value_of(folder_ + (unified_ ? "/memory.events" : "/memory.oom_control"), "oom_kill");
}

}  // namespace mx::monitor
