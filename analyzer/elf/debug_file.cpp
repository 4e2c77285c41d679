#include "analyzer/elf/debug_file.h"

#include <unistd.h>

#include <cstring>
#include <vector>

namespace mx::analyzer {
namespace {

std::string debug_link(const Image& image) {
  const Section* s = image.section(".gnu_debuglink");
  if (!s || s->size < 5) return {};
  auto bytes = image.file_bytes().subspan(s->offset, s->size);
  const void* end = std::memchr(bytes.data(), 0, bytes.size());
  if (!end) return {};
  std::string name(reinterpret_cast<const char*>(bytes.data()));
  return name.find('/') == std::string::npos ? name : std::string();
}

std::vector<std::string> candidates(const Image& image) {
  std::vector<std::string> paths;
  std::string id = image.build_id_hex();
  if (id.size() > 2)
    paths.push_back("/usr/lib/debug/.build-id/" + id.substr(0, 2) + "/" + id.substr(2) + ".debug");
  std::string link = debug_link(image);
  if (!link.empty()) {
    char* real = realpath(image.path().c_str(), nullptr);
    std::string path = real ? real : image.path();
    free(real);
    size_t slash = path.rfind('/');
    std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
    paths.push_back(folder + "/" + link);
    paths.push_back(folder + "/.debug/" + link);
    paths.push_back("/usr/lib/debug" + folder + "/" + link);
  }
  return paths;
}

bool belongs(const Image& debug, const Image& image) {
  return image.facts().build_id.empty() || debug.facts().build_id == image.facts().build_id;
}

}  // namespace

Result<std::shared_ptr<const Image>> load_debug_file(const Image& image,
                                                     const std::string& wanted) {
  if (!wanted.empty()) {
    auto debug = Image::load(wanted, FileUse::debug_file);
    if (debug && !belongs(*debug.value(), image))
      return Error{wanted + " does not belong to " + image.path() + ": the build-ids differ"};
    return debug;
  }
  for (const std::string& path : candidates(image)) {
    if (path == image.path() || access(path.c_str(), R_OK) != 0) continue;
    auto debug = Image::load(path, FileUse::debug_file);
    if (debug && belongs(*debug.value(), image)) return debug;
  }
  return std::shared_ptr<const Image>();
}

}  // namespace mx::analyzer
