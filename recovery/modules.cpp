#include "recovery/modules.h"

#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <tuple>

namespace mx::recovery {
namespace {

struct Line {
  Range range;
  uint64_t offset = 0, inode = 0;
};

bool parse_line(const std::string& text, Line& out) {
  int at = 0;
  unsigned major, minor;
  if (std::sscanf(text.c_str(), "%" SCNx64 "-%" SCNx64 " %*4c %" SCNx64 " %x:%x %" SCNu64 " %n",
                  &out.range.start, &out.range.end, &out.offset, &major, &minor, &out.inode,
                  &at) < 6)
    return false;
  out.range.what =
      at > 0 && static_cast<size_t>(at) < text.size() ? text.substr(static_cast<size_t>(at)) : "";
  return true;
}

// Files stay mapped: modules of the same file share one
// view. Keyed by what identifies a file's contents.
std::shared_ptr<const ElfView> view_of(const std::string& file) {
  using Key = std::tuple<dev_t, ino_t, off_t, int64_t, int64_t>;
  static std::map<Key, std::shared_ptr<const ElfView>> known;
  struct stat st {};
  if (stat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) return nullptr;
  Key key{st.st_dev, st.st_ino, st.st_size, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
  auto it = known.find(key);
  if (it != known.end()) return it->second;
  auto view = ElfView::open(file);
  // What is no program may be written to all the time
  // (mx's arena): it would be another file each time.
  return view ? known[key] = view.value() : nullptr;
}

// The kernel writes paths as the reader sees them, where it can (a version in another root tree);
// in another mount namespace they are relative to the process's root. The inode tells which it is,
// except on some overlay mounts.
std::string file_of(pid_t pid, const Line& line) {
  const Range& r = line.range;
  std::string base = "/proc/" + std::to_string(pid);
  char name[64];
  std::snprintf(name, sizeof name, "/map_files/%" PRIx64 "-%" PRIx64, r.start, r.end);
  std::string exists;
  for (const std::string& file : {r.what, base + "/root" + r.what, base + name}) {
    struct stat st {};
    if (stat(file.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    if (st.st_ino == line.inode) return file;
    if (exists.empty()) exists = file;
  }
  return exists;
}

struct File {
  std::string path;
  std::shared_ptr<const ElfView> elf;
};
using Files =
    std::map<std::pair<std::string, uint64_t>, File>;  // by the name in maps, and the inode

const File& file_behind(pid_t pid, const Line& line, Files& files) {
  const auto [at, fresh] = files.try_emplace({line.range.what, line.inode});
  if (fresh) {
    at->second.path = file_of(pid, line);
    at->second.elf = view_of(at->second.path);
  }
  return at->second;
}

void add_to_modules(pid_t pid, const Line& line, const std::string& program, Files& files,
                    std::vector<Module>& out) {
  if (line.inode == 0 || line.range.what.empty() || line.range.what[0] != '/') return;
  if (!out.empty() && out.back().path == line.range.what && out.back().elf) {
    out.back().end = std::max(out.back().end, line.range.end);
    return;
  }
  const File& file = file_behind(pid, line, files);
  if (!file.elf) return;
  Module m;
  m.path = line.range.what;
  m.file = file.path;
  m.elf = file.elf;
  const ElfView::Segment* found = nullptr;
  for (const auto& s : m.elf->segments())
    if ((s.offset & ~uint64_t{4095}) == line.offset) {
      found = &s;
      break;
    }
  if (!found) return;
  m.bias = line.range.start - (found->address & ~uint64_t{4095});
  m.start = line.range.start;
  m.end = std::max(line.range.end, m.bias + m.elf->end_page());
  m.main = m.path == program;
  out.push_back(std::move(m));
}

}  // namespace

const Module* AddressSpace::module_at(uint64_t address) const {
  for (const Module& m : modules)
    if (m.contains(address)) return &m;
  return nullptr;
}

analyzer::Result<AddressSpace> address_space(pid_t pid) {
  std::string base = "/proc/" + std::to_string(pid);
  std::ifstream maps(base + "/maps");
  char program[4096] = {};
  ssize_t n = readlink((base + "/exe").c_str(), program, sizeof program - 1);
  if (!maps || n <= 0) return analyzer::Error{"process " + std::to_string(pid) + " cannot be read"};
  AddressSpace out;
  Files files;
  std::string text;
  while (std::getline(maps, text)) {
    Line line;
    if (!parse_line(text, line)) continue;
    out.ranges.push_back(line.range);
    add_to_modules(pid, line, program, files, out.modules);
  }
  if (out.ranges.empty())
    return analyzer::Error{"process " + std::to_string(pid) + " has no memory: it has ended"};
  std::stable_sort(out.modules.begin(), out.modules.end(),
                   [](auto& a, auto& b) { return a.main > b.main; });
  return out;
}

std::string library_key(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  size_t so = name.find(".so");
  if (so == std::string::npos) return name;
  size_t end = so + 3;
  if (end < name.size() && name[end] == '.') {
    ++end;
    while (end < name.size() && isdigit(static_cast<unsigned char>(name[end]))) ++end;
  }
  return name.substr(0, end);
}

}  // namespace mx::recovery
