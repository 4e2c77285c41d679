// Turns a comparison into the bytes of a mapping file.
#pragma once

#include <cstdint>
#include <vector>

#include "analyzer/analysis.h"

namespace mx::mapping {

// The same comparison gives the same bytes. Error: one of the files cannot be read again to
// identify it.
analyzer::Result<std::vector<uint8_t>> write_mapping(const analyzer::Analysis& analysis);

}  // namespace mx::mapping
