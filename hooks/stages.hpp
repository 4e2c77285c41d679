// The stages of OCI hooks mx-hook serves. Each returns the exit status or throws.
#pragma once

#include <filesystem>

namespace mx::hooks {

// precreate (podman's hooks.d): the engine's config.json on standard input, the changed one on
// standard output. For engines whose runtime cannot be changed.
int precreate();

// createRuntime: notes the first process and puts the bundle's original config.json back.
int create_runtime(const std::filesystem::path& state);

// createContainer: builds mx's mounts. With run.mx.optional a failure leaves the container's own
// image alone, and an event tells why.
int create_container(const std::filesystem::path& state);

// poststop: keeps the report and the crash folders, removes the rest.
int post_stop(const std::filesystem::path& state);

}  // namespace mx::hooks
