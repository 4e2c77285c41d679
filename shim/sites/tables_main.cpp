// mx-tables FOLDER [ROOT PROGRAM]…: makes the site tables of programs in root trees, of their
// loaders and libraries, and keeps them in FOLDER for the monitors of containers (host_tables.h).
// mx-runtime starts it at create, as root of the host. The files are hostile: paths are walked
// inside the root, contents are read in a closed room.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "closed_room.h"
#include "find_sites.h"
#include "host_tables.h"
#include "mapped_file.h"
#include "needs.h"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "site_cache.h"

namespace {

namespace fs = std::filesystem;
using mx::oci::open_in_root;
using mx::oci::ScopedFd;
using namespace mx::sites;

constexpr size_t kMostFiles = 128;        // of one program
constexpr size_t kMostKept = 8192;        // tables in the folder
constexpr size_t kMostBytes = 16u << 20;  // of one answer
constexpr off_t kLargestFile = 512 << 20;

// The text of Needs, an empty line, the table (nothing if there is none).
std::string describe(Bytes file) {
  std::string out = to_text(needs_of(file)) + "\n";
  const auto image = ElfImage::parse(file);
  if (!image) return out;
  const auto table = find_sites(image.value());
  if (!table) return out;
  const Bytes bytes = table.value().bytes();
  return out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

// "#!/bin/sh -e": the interpreter; empty if the file is no script.
std::string interpreter_of(int fd) {
  char text[256] = {};
  if (pread(fd, text, sizeof text - 1, 0) < 4 || text[0] != '#' || text[1] != '!') return "";
  const char* start = text + 2 + std::strspn(text + 2, " \t");
  return std::string(start, std::strcspn(start, " \t\n"));
}

class Filler {
 public:
  Filler(const fs::path& folder, const std::string& root)
      : folder_(folder), root_(open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {}

  void fill(const std::string& program) {
    if (!root_.valid()) return;
    wanted_.push_back(program);
    for (size_t i = 0; i < wanted_.size() && i < kMostFiles; ++i) visit(std::string(wanted_[i]));
  }

 private:
  void want(const std::string& path) {
    if (path.starts_with("/") && seen_.insert(path).second) wanted_.push_back(path);
  }

  void visit(const std::string& path) {
    const ScopedFd fd = open_in_root(root_.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat status {};
    if (!fd.valid() || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size > kLargestFile)
      return;
    if (const std::string interpreter = interpreter_of(fd.get()); !interpreter.empty()) {
      want(interpreter);
      return;
    }
    const std::string name = identity_of(status);
    auto needs = mx::oci::read_file_if_there(folder_ / (name + ".needs"), 1 << 20);
    if (!needs) needs = make(fd.get(), name);
    if (needs) want_all(needs_from_text(*needs), path);
  }

  // The text of the file's needs; its table is in the folder then, if it has one.
  std::optional<std::string> make(int fd, const std::string& name) {
    const auto file = MappedFile::map(fd);
    if (!file) return std::nullopt;
    const auto answer = in_closed_room([&] { return describe(file.value().bytes()); }, kMostBytes);
    if (!answer) return std::nullopt;
    size_t end = answer->find("\n\n");
    const size_t text = answer->starts_with("\n")  ? 0
                        : end == std::string::npos ? answer->size()
                                                   : end + 1;
    const std::string needs = answer->substr(0, text);
    const std::string table = answer->substr(std::min(answer->size(), text + 1));
    const Bytes bytes(reinterpret_cast<const uint8_t*>(table.data()), table.size());
    if (valid_table(bytes)) mx::oci::replace_file(folder_ / (name + ".table"), table, 0644);
    mx::oci::replace_file(folder_ / (name + ".needs"), needs, 0644);
    return needs;
  }

  void want_all(const Needs& needs, const std::string& path) {
    if (!needs.loader.empty()) want(needs.loader);
    for (const std::string& library : needs.libraries)
      if (library.find('/') != std::string::npos)
        want(library);
      else
        want_library(library, needs.folders, path);
  }

  void want_library(const std::string& name, std::vector<std::string> folders,
                    const std::string& path) {
    for (std::string& folder : folders)
      for (const char* origin : {"$ORIGIN", "${ORIGIN}"})
        if (folder.starts_with(origin))
          folder = path.substr(0, path.rfind('/')) + folder.substr(std::strlen(origin));
    for (const char* usual : {"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64",
                              "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"})
      folders.emplace_back(usual);
    for (const std::string& folder : folders) {
      const std::string candidate = folder + "/" + name;
      if (!open_in_root(root_.get(), candidate, O_PATH).valid()) continue;
      want(candidate);
      return;
    }
  }

  fs::path folder_;
  ScopedFd root_;
  std::set<std::string> seen_;
  std::vector<std::string> wanted_;
};

// A full folder loses the half that was made first; what is still in use is made again.
void make_room(const fs::path& folder) {
  std::vector<std::pair<fs::file_time_type, fs::path>> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error))
    files.emplace_back(entry.last_write_time(error), entry.path());
  if (files.size() < kMostKept * 2) return;
  std::sort(files.begin(), files.end());
  for (size_t i = 0; i < files.size() / 2; ++i) fs::remove(files[i].second, error);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2 || argc % 2 != 0) {
    std::fprintf(stderr, "usage: mx-tables FOLDER [ROOT PROGRAM]...\n");
    return 2;
  }
  try {
    fs::create_directories(argv[1]);
    make_room(argv[1]);
    for (int i = 2; i + 1 < argc; i += 2) Filler(argv[1], argv[i]).fill(argv[i + 1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "mx-tables: %s\n", error.what());
    return 1;
  }
  return 0;
}
