#include "oci/store/import.hpp"

#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <cstdlib>

#include "oci/base/failure.hpp"
#include "oci/base/files.hpp"
#include "oci/base/run_program.hpp"

namespace mx::oci {
namespace {

namespace fs = std::filesystem;

void need(const std::string& program) {
  if (find_in_path(program, search_path()).empty())
    throw Failure(program + " is not installed; `mx image add` needs it (Debian: apt install " +
                  program + ")");
}

std::string sha256_of(const fs::path& file) {
  return run_or_fail({"sha256sum", "--", file.string()}).substr(0, 64);
}

fs::path blob(const fs::path& layout, const std::string& digest) {
  if (digest.size() != 71 || !digest.starts_with("sha256:") ||
      digest.find_first_not_of("0123456789abcdef", 7) != std::string::npos)
    throw Failure("the image has a digest mx does not know: " + digest);
  const fs::path file = layout / "blobs/sha256" / digest.substr(7);
  if (sha256_of(file) != digest.substr(7))
    throw Failure("the image is damaged: blob " + digest + " has other content");
  return file;
}

// Checks manifest, configuration and layers; fills digest and config.
void read_layout(Imported& imported) {
  const Json index =
      parse_document(read_file(imported.layout / "index.json", kMaxSpecBytes), "index.json");
  const Json& manifests = array_at(index, "manifests");
  if (manifests.size() != 1) throw Failure("the image has no single manifest");
  imported.digest = string_at(manifests[0], "digest", "");
  const fs::path manifest_file = blob(imported.layout, imported.digest);
  const Json manifest = parse_document(read_file(manifest_file, kMaxSpecBytes), "the manifest");
  for (const Json& layer : array_at(manifest, "layers"))
    blob(imported.layout, string_at(layer, "digest", ""));
  const fs::path config_file = blob(imported.layout, string_at(manifest, "config.digest", ""));
  const Json config =
      parse_document(read_file(config_file, kMaxSpecBytes), "the image's configuration");
  const std::string machine = string_at(config, "architecture", "amd64");
  if (machine != "amd64") throw Failure("the image is for " + machine + ", mx runs amd64");
  imported.config = object_at(config, "config");
}

// A digest of names, modes, owners and contents, independent of times and of the order on disk.
std::string tree_digest(const fs::path& tree) {
  const std::string out = run_or_fail(
      {"sh", "-c",
       "set -e; tar --sort=name --mtime=@0 --numeric-owner --xattrs -C \"$1\" -cf - . | sha256sum",
       "sh", tree.string()});
  return "sha256:" + out.substr(0, 64);
}

Imported import_tree(const fs::path& tree, const fs::path& work) {
  if (!fs::is_directory(tree)) throw Failure("dir:" + tree.string() + " is not a folder");
  Imported imported;
  imported.rootfs = work / "tree";
  // -x keeps a mounted /proc of a live tree out.
  run_or_fail(
      {"cp", "-a", "-x", "--reflink=auto", "--", tree.string() + "/.", imported.rootfs.string()});
  imported.digest = tree_digest(imported.rootfs);
  return imported;
}

}  // namespace

ImportFolder::ImportFolder(const fs::path& store) {
  std::string name = (store / "import.XXXXXX").string();
  if (mkdtemp(name.data()) == nullptr) throw system_failure("cannot create " + name, errno);
  path_ = name;
}

ImportFolder::~ImportFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

Imported import_image(const std::string& source, const std::vector<std::string>& copy_options,
                      const fs::path& work) {
  constexpr std::array kKinds = {
      "docker-daemon:", "containers-storage:", "oci:", "docker-archive:", "oci-archive:"};
  if (source.starts_with("dir:")) return import_tree(source.substr(4), work);
  bool known = false;
  for (const char* kind : kKinds) known = known || source.starts_with(kind);
  if (!known)
    throw Failure("\"" + source +
                  "\" is none of docker-daemon:REF, containers-storage:REF, oci:DIR, "
                  "docker-archive:FILE, oci-archive:FILE, dir:ROOTFS");
  need("skopeo");
  need("umoci");
  Imported imported;
  imported.layout = work / "layout";
  std::vector<std::string> copy = {"skopeo", "--insecure-policy", "copy", "--quiet"};
  copy.insert(copy.end(), copy_options.begin(), copy_options.end());
  copy.push_back(source);
  copy.push_back("oci:" + imported.layout.string() + ":mx");
  run_or_fail(copy);
  read_layout(imported);
  return imported;
}

fs::path unpack(const Imported& imported, const fs::path& work) {
  if (imported.layout.empty()) return imported.rootfs;
  const fs::path tree = work / "unpacked";
  run_or_fail({"umoci", "unpack", "--image", imported.layout.string() + ":mx", tree.string()});
  return tree / "rootfs";
}

}  // namespace mx::oci
