// Where the mapping of a pair is kept.
#pragma once

#include <memory>
#include <string>

#include "analyzer/mapping/format.h"
#include "analyzer/mapping/mapping_file.h"

namespace mx::mapping {

// $XDG_CACHE_HOME/mx when that is set, else /var/cache/mx.
std::string cache_folder();
// File name for a pair: both identities (build-id and size) and the format version.
std::string cache_name(const Identity& old_file, const Identity& new_file);
// The kept mapping of this pair; null when there is none, or when what is there fails its checks.
std::shared_ptr<const MappingFile> kept_mapping(const Identity& old_file, const Identity& new_file);

}  // namespace mx::mapping
