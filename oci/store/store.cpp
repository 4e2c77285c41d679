#include "oci/store/store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "oci/base/clock.hpp"
#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/store/import.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

// One writer at a time; readers see whole files because of the renames.
class Lock {
 public:
  explicit Lock(const fs::path& folder) {
    fs::create_directories(folder / "images");
    chmod(folder.c_str(), 0711);
    chmod((folder / "images").c_str(), 0711);
    fd_ = ScopedFd(open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd_.valid() || flock(fd_.get(), LOCK_EX) != 0)
      throw system_failure("cannot lock the image store " + folder.string(), errno);
  }

 private:
  ScopedFd fd_;
};

bool is_store_digest(const std::string& digest) {
  return digest.size() == 71 && digest.starts_with("sha256:") &&
         digest.find_first_not_of("0123456789abcdef", 7) == std::string::npos;
}

}  // namespace

fs::path Store::folder_of(const std::string& digest) const {
  if (!is_store_digest(digest)) throw Failure("\"" + digest + "\" is not a digest");
  return folder_ / "images" / ("sha256-" + digest.substr(7));
}

Json Store::names() const {
  const auto text = read_file_if_there(folder_ / "names.json", kMaxSpecBytes);
  return text ? parse_document(*text, (folder_ / "names.json").string()) : Json::object();
}

StoredImage Store::load(const std::string& digest) const {
  const fs::path folder = folder_of(digest);
  const Json about = parse_document(read_file(folder / "image.json", kMaxSpecBytes),
                                    (folder / "image.json").string());
  return {digest, folder / "rootfs", object_at(about, "config"), string_at(about, "source", ""),
          string_at(about, "added", "")};
}

StoredImage Store::add(const std::string& name, const std::string& source,
                       const std::vector<std::string>& copy_options) {
  const Lock lock(folder_);
  ImportFolder work(folder_);
  const Imported imported = import_image(source, copy_options, work.path());
  const fs::path target = folder_of(imported.digest);
  if (!fs::exists(target / "image.json")) {
    const fs::path rootfs = unpack(imported, work.path());
    const Json about = {{"digest", imported.digest},
                        {"source", source},
                        {"added", rfc3339_now()},
                        {"config", imported.config}};
    fs::create_directory(work.path() / "done");
    chmod((work.path() / "done").c_str(), 0755);
    fs::rename(rootfs, work.path() / "done" / "rootfs");
    write_file_atomically(work.path() / "done" / "image.json", about.dump(2) + "\n");
    std::error_code ignored;
    fs::remove_all(target, ignored);  // a half tree of an interrupted gc
    fs::rename(work.path() / "done", target);
  }
  Json all = names();
  all[name] = imported.digest;
  write_file_atomically(folder_ / "names.json", all.dump(2) + "\n");
  return load(imported.digest);
}

std::optional<StoredImage> Store::find(const std::string& name, const std::string& digest) const {
  const std::string have = [&] {
    const Json all = names();
    return all.contains(name) && all[name].is_string() ? all[name].get<std::string>() : "";
  }();
  if (have.empty()) return std::nullopt;
  if (!digest.empty() && digest != have)
    throw Failure("the image " + name + " has the digest " + have + ", not " + digest);
  return load(have);
}

std::vector<std::pair<std::string, StoredImage>> Store::list() const {
  std::vector<std::pair<std::string, StoredImage>> out;
  const Json all = names();  // items() keeps a reference
  for (const auto& [name, digest] : all.items())
    out.emplace_back(name, load(digest.get<std::string>()));
  return out;
}

bool Store::remove(const std::string& name) {
  const Lock lock(folder_);
  Json all = names();
  if (all.erase(name) == 0) return false;
  write_file_atomically(folder_ / "names.json", all.dump(2) + "\n");
  return true;
}

std::vector<std::string> Store::collect_garbage(const std::vector<std::string>& in_use) {
  const Lock lock(folder_);
  std::vector<std::string> wanted = in_use, gone;
  const Json all = names();  // items() keeps a reference
  for (const auto& [name, digest] : all.items()) wanted.push_back(digest.get<std::string>());
  for (const auto& entry : fs::directory_iterator(folder_ / "images")) {
    const std::string file = entry.path().filename();
    if (!file.starts_with("sha256-")) continue;
    const std::string digest = "sha256:" + file.substr(7);
    if (std::find(wanted.begin(), wanted.end(), digest) != wanted.end()) continue;
    fs::remove(entry.path() / "image.json");  // first: a tree without it counts as absent
    fs::remove_all(entry.path());
    gone.push_back(digest);
  }
  return gone;
}

}  // namespace mx::oci
