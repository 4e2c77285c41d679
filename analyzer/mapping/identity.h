// Tells which file it is, quickly: reads only headers and notes.
#pragma once

#include <string>

#include "analyzer/base/result.h"
#include "analyzer/mapping/format.h"

namespace mx::mapping {

// Build-id and size of an ELF file; without a build-id (or when the file is malformed) a hash of
// all its bytes. Errors: the file cannot be read, or is empty.
analyzer::Result<Identity> identity_of(const std::string& path);

}  // namespace mx::mapping
