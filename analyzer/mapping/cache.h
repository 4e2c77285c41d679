// Mapping files of pairs that were compared before.
#pragma once

#include <memory>
#include <string>

#include "analyzer/analysis.h"
#include "analyzer/mapping/cache_name.h"
#include "analyzer/mapping/mapping_file.h"

namespace mx::mapping {

struct CachedMapping {
  std::shared_ptr<const MappingFile> file;
  bool from_cache = false;
  std::string
      path;  // empty when the cache folder cannot be written: then the mapping lives in memory only
};

// The mapping of a pair: from the cache, or by comparing the files and then keeping the result
// (temporary file, fsync, rename). A damaged cache file is replaced. Explicit debug files switch
// the cache off. Errors: those of analyze().
Result<CachedMapping> mapping_for(const analyzer::Options& options);

}  // namespace mx::mapping
