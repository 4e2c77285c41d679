// Fetching and unpacking an image with skopeo and umoci.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "oci/spec/document.hpp"

namespace mx::oci {

// A folder for one import inside the store; deleted at the end whatever happened.
class ImportFolder {
 public:
  explicit ImportFolder(const std::filesystem::path& store);
  ~ImportFolder();
  ImportFolder(const ImportFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

struct Imported {
  std::string digest;            // of the manifest, or of the tree for dir:
  Json config = Json::object();  // the image's "config"
  std::filesystem::path layout;  // an OCI layout with the tag "mx"; "" for dir:
  std::filesystem::path rootfs;  // dir: the tree, copied
};

// Copies `source` into `work` as an OCI layout (or as a tree for dir:) and checks every blob
// against its digest. Throws Failure.
Imported import_image(const std::string& source, const std::vector<std::string>& copy_options,
                      const std::filesystem::path& work);

// Unpacks it below `work` and returns the root tree.
std::filesystem::path unpack(const Imported& imported, const std::filesystem::path& work);

}  // namespace mx::oci
