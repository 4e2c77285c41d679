#include "analyzer/mapping/cache_name.h"

#include <cstdlib>

namespace mx::mapping {
namespace {

std::string hex(const Identity& id) {
  static const char* digits = "0123456789abcdef";
  std::string text;
  for (uint32_t k = 0; k < id.id_size; ++k) {
    text += digits[id.id[k] >> 4];
    text += digits[id.id[k] & 15];
  }
  return text + "." + std::to_string(id.file_size);
}

}  // namespace

std::string cache_folder() {
  const char* xdg = getenv("XDG_CACHE_HOME");
  return xdg && *xdg ? std::string(xdg) + "/mx" : "/var/cache/mx";
}

std::string cache_name(const Identity& old_file, const Identity& new_file) {
  return hex(old_file) + "-" + hex(new_file) + ".v" + std::to_string(kVersion) + ".mxmap";
}

std::shared_ptr<const MappingFile> kept_mapping(const Identity& old_file,
                                                const Identity& new_file) {
  auto file = MappingFile::open(cache_folder() + "/" + cache_name(old_file, new_file));
  if (!file || file.value()->header().old_file != old_file ||
      file.value()->header().new_file != new_file)
    return nullptr;
  return file.value();
}

}  // namespace mx::mapping
