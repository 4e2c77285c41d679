// mx's own store of unpacked images under /var/lib/mx:
//
//   names.json                     name → digest
//   images/sha256-HEX/rootfs/      the root tree, unpacked once, never written again
//   images/sha256-HEX/image.json   digest, source, time, and the image's configuration
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "oci/settings/config_file.hpp"
#include "oci/spec/document.hpp"

namespace mx::oci {

struct StoredImage {
  std::string digest;            // "sha256:…" of the image's manifest (dir: of the tree)
  std::filesystem::path rootfs;  // absolute
  Json config;                   // "config" of the OCI image configuration; empty for dir:
  std::string source;
  std::string added;  // RFC 3339
};

class Store {
 public:
  explicit Store(std::filesystem::path folder) : folder_(std::move(folder)) {}

  // Unpacks `source` (docker-daemon:REF, containers-storage:REF, oci:DIR[:TAG],
  // docker-archive:FILE[:REF], oci-archive:FILE, dir:ROOTFS) and gives it the name. An image that
  // is there already by digest is only named. `copy_options` are handed to skopeo.
  StoredImage add(const std::string& name, const std::string& source,
                  const std::vector<std::string>& copy_options = {});

  // Nothing if there is no such name. Throws Failure if the digest asked for is another one.
  std::optional<StoredImage> find(const std::string& name, const std::string& digest = "") const;

  std::vector<std::pair<std::string, StoredImage>> list() const;

  // Takes the name away; false if there is none. The tree stays until gc.
  bool remove(const std::string& name);

  // Deletes trees without a name that no digest of `in_use` needs. Returns their digests.
  std::vector<std::string> collect_garbage(const std::vector<std::string>& in_use);

 private:
  StoredImage load(const std::string& digest) const;
  std::filesystem::path folder_of(const std::string& digest) const;
  Json names() const;

  std::filesystem::path folder_;
};

// `mx image add NAME SOURCE | ls | rm NAME | gc`; argv[0] is "image". Returns the exit status.
int image_main(int argc, char** argv);

}  // namespace mx::oci
