// What an image says its container runs, and what the container's user made of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "oci/spec/document.hpp"
#include "oci/start/version_settings.hpp"

namespace mx::oci {

// The part of an OCI image configuration that makes a process.
struct ImageDefaults {
  std::vector<std::string> args;  // entrypoint and command
  std::vector<std::string> env;
  std::string cwd;
  std::string user;
};

ImageDefaults image_defaults(const Json& image_config);

// The configuration of the container's own image, read from the engine's files beside the root
// tree (docker's overlay2/vfs store, podman's containers/storage); no daemon is asked. Nothing when
// the files are not there or have another form.
std::optional<ImageDefaults> own_image_defaults(const std::filesystem::path& rootfs,
                                                const std::string& id);

// Gives `second` its own image's command, environment and folder where the bundle shows that the
// user did not choose them. `first` is the container's process; `own` its image's defaults if
// known. Without them the container's command and folder stay, and variables only the second image
// has are added. Adds a sentence to `notes` for what differs.
void apply_defaults(const start::VersionSettings& first, const std::optional<ImageDefaults>& own,
                    const ImageDefaults& theirs, start::VersionSettings& second,
                    std::vector<std::string>& notes);

}  // namespace mx::oci
