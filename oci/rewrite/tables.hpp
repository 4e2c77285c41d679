// Site tables of the versions' programs (docs/containers.md, "Site tables").
#pragma once

#include <optional>

#include "oci/rewrite/rewrite.hpp"

namespace mx::oci {

// Starts mx-tables for both versions and does not wait for it: it
// works while the inner runtime makes the container. The monitor finds
// for itself what is not there in time, so nothing here is an error.
void make_tables(const Config& config, const Json& original,
                 const start::ContainerSettings& settings, const ContainerState& state,
                 const std::optional<StoredImage>& image);

}  // namespace mx::oci
