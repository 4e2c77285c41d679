// Tables made on the host for the files of container images
// (mx-tables), read by the monitor in the container.
//
// A container may not write into a cache that others read, and hashing every library at every start
// takes as long as a start may take. So a file is known by its inode, size and times: who can put
// content into an image cannot choose the time of change, which the kernel sets. An overlay shows
// all four as the tree below it does.
//
//   IDENTITY.v<version>.table   a SiteTable
//   IDENTITY.v<version>.needs   the loader and libraries it names (mx-tables' own)
#pragma once
#include <sys/stat.h>

#include <optional>
#include <string>

#include "find_sites.h"

namespace mx::sites {

/// IDENTITY.v<version> of a regular file.
std::string identity_of(const struct stat& status);

/// The table of the open file `fd` in the folder
/// `directory` (a descriptor), if there is a good one.
std::optional<TableBytes> read_host_table(int directory, int fd);

}  // namespace mx::sites
