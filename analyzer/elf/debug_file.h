// Finds and opens the separate debug file of a program.
#pragma once

#include <memory>
#include <string>

#include "analyzer/base/result.h"
#include "analyzer/elf/image.h"

namespace mx::analyzer {

// `wanted` names the file; when empty it is searched: by build-id under /usr/lib/debug, then by
// .gnu_debuglink beside the program, in .debug/ and under /usr/lib/debug. No file found: success
// with a null pointer. Error: `wanted` cannot be read, or belongs to another build.
Result<std::shared_ptr<const Image>> load_debug_file(const Image& image, const std::string& wanted);

}  // namespace mx::analyzer
