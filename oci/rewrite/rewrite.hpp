// config.json of a container with two versions.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "oci/settings/request.hpp"
#include "oci/start/version_settings.hpp"
#include "oci/state/container_state.hpp"
#include "oci/store/store.hpp"

namespace mx::oci {

// Everything that goes into the container's state folder and into its bundle.
struct Rewritten {
  Json config;                        // the new config.json
  start::ContainerSettings settings;  // in/settings.json
  std::string filter;                 // in/seccomp.bpf; "" for no profile
  std::string exec_filter;            // exec.bpf: the profile as it is, for exec'd processes
  Json plan;                          // plan.json, read by mx-hook
};

// What rewriting needs to know beside the bundle's config.
struct RewriteInput {
  const Config& config;
  const Request& request;
  const ContainerState& state;           // folder, bundle, first, second, upper, own_folder
  std::optional<StoredImage> image;      // the second version's, for image: sources
  std::optional<StoredImage> own_image;  // run.mx.image's
  bool inner_is_runc = true;             // for the ENOSYS rule of its seccomp filters
  int preserved_fds = 0;
};

Rewritten rewrite(const Json& original, const RewriteInput& input);

// Where mx's mounts go: below /dev when that is a tmpfs of the container's own (works with
// read-only roots and leaves the image's layer clean), else /.mx.
std::string own_folder(const Json& config);

// The destination of the mount that holds `path` in the container, "" if it lies in the root tree.
std::string volume_mount(const Json& config, const std::string& path);

// The root tree on the host: root.path, relative to the bundle.
std::filesystem::path rootfs_of(const Json& config, const std::filesystem::path& bundle);

// Host ids of the container's root (linux.uidMappings/gidMappings); 0 without mappings.
struct MappedRoot {
  unsigned uid = 0;
  unsigned gid = 0;
  bool mapped = false;
};
MappedRoot mapped_root(const Json& config);

// The config with mx's variables taken out and nothing else changed (run.mx.optional).
Json without_request(const Json& original);

}  // namespace mx::oci
