#include "analyzer/mapping/cache.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "analyzer/mapping/identity.h"
#include "analyzer/mapping/writer.h"

namespace mx::mapping {
namespace {

// Bytes that live as long as the mapping made of them.
struct Owned {
  std::vector<uint8_t> bytes;
  std::shared_ptr<const MappingFile> file;
};

bool keep(const std::string& path, const std::vector<uint8_t>& bytes) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  std::string temporary = path + ".XXXXXX";
  int fd = mkostemp(temporary.data(), O_CLOEXEC);
  if (fd < 0) return false;
  bool good = true;
  for (size_t done = 0; good && done < bytes.size();) {
    ssize_t n = write(fd, bytes.data() + done, bytes.size() - done);
    good = n > 0;
    if (good) done += static_cast<size_t>(n);
  }
  good = good && fchmod(fd, 0644) == 0 && fsync(fd) == 0;
  close(fd);
  good = good && rename(temporary.c_str(), path.c_str()) == 0;
  if (!good) unlink(temporary.c_str());
  return good;
}

}  // namespace

Result<CachedMapping> mapping_for(const analyzer::Options& options) {
  auto old_id = identity_of(options.old_path), new_id = identity_of(options.new_path);
  if (!old_id) return old_id.error();
  if (!new_id) return new_id.error();
  bool cached = options.old_debug.empty() && options.new_debug.empty();
  std::string path = cache_folder() + "/" + cache_name(old_id.value(), new_id.value());
  if (cached) {
    if (auto file = kept_mapping(old_id.value(), new_id.value()))
      return CachedMapping{file, true, path};
  }
  auto analysis = analyzer::analyze(options);
  if (!analysis) return analysis.error();
  auto bytes = write_mapping(*analysis.value());
  if (!bytes) return bytes.error();
  auto owned = std::make_shared<Owned>();
  owned->bytes = std::move(bytes.value());
  auto file = MappingFile::check(owned->bytes, path);
  if (!file) return file.error();
  owned->file = file.value();
  std::shared_ptr<const MappingFile> alias(owned, owned->file.get());
  bool kept = cached && keep(path, owned->bytes);
  return CachedMapping{alias, false, kept ? path : ""};
}

}  // namespace mx::mapping
