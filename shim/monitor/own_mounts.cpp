#include "shim/monitor/own_mounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <climits>
#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>

namespace mx::monitor {

namespace {

struct Mount {
  uint64_t id;
  std::string source;  // device and the folder of its file system
};

// Blanks and the like stand as three octal digits.
std::string plain(const std::string& text) {
  std::string out;
  for (size_t i = 0; i < text.size(); i++) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      out += static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8));
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

bool below(const std::string& path, const std::string& folder) {
  return path.size() > folder.size() && path.compare(0, folder.size(), folder) == 0 &&
         path[folder.size()] == '/';
}

// The mounts below a root, by their place in it. `other` is the other version's root. It may lie in
// this one, in a folder of mx's (docs/containers.md), which is no version's own: what the leader
// sees of it counts.
std::map<std::string, Mount> mounts_below(const std::string& root, const std::string& other) {
  std::map<std::string, Mount> out;
  const std::string mx = below(other, root) ? other.substr(0, other.rfind('/')) : "";
  std::ifstream in("/proc/self/mountinfo");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string parent, device, folder, place;
    Mount mount;
    if (!(words >> mount.id >> parent >> device >> folder >> place)) continue;
    place = plain(place);
    const bool is_mx = !mx.empty() && (place == mx || below(place, mx));
    if (!below(place, root) || place == "/" || is_mx) continue;
    mount.source = device + " " + folder;
    out[place.substr(root.size())] = mount;  // the last one covers the others
  }
  return out;
}

// "" for "/", else without links and without a slash at the end.
std::string clean(const std::string& root) {
  char path[PATH_MAX];
  if (root.empty() || !realpath(root.c_str(), path)) return root == "/" ? "" : root;
  return std::string(path) == "/" ? "" : path;
}

void add(stream::Settings& s, int version, uint64_t mount) {
  uint32_t& count = s.own_mount_count[version];
  if (count < stream::kOwnMounts) s.own_mounts[version][count++] = mount;
}

struct Folder {
  struct statx st {};
  bool good;
  explicit Folder(const std::string& path)
      : good(statx(AT_FDCWD, path.empty() ? "/" : path.c_str(), 0, STATX_BASIC_STATS | STATX_MNT_ID,
                   &st) == 0 &&
             (st.stx_mask & STATX_MNT_ID)) {}
  bool same(const Folder& other) const {
    return st.stx_ino == other.st.stx_ino && st.stx_dev_major == other.st.stx_dev_major &&
           st.stx_dev_minor == other.st.stx_dev_minor;
  }
};

}  // namespace

void find_own_mounts(stream::Settings& s, const std::string (&given)[2]) {
  const std::string roots[2] = {clean(given[0]), clean(given[1])};
  const Folder folders[2] = {Folder(roots[0]), Folder(roots[1])};
  if (!folders[0].good || !folders[1].good) return;  // the kernel does not number mounts
  s.root_is_own = !folders[0].same(folders[1]);
  const std::map<std::string, Mount> mounts[2] = {mounts_below(roots[0], roots[1]),
                                                  mounts_below(roots[1], roots[0])};
  for (int v = 0; v < 2; v++) {
    if (s.root_is_own) add(s, v, folders[v].st.stx_mnt_id);
    for (const auto& [place, mount] : mounts[v]) {
      const auto twin = mounts[1 - v].find(place);
      if (twin == mounts[1 - v].end() || twin->second.source != mount.source) add(s, v, mount.id);
    }
  }
}

}  // namespace mx::monitor
