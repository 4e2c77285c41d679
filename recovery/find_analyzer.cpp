#include "recovery/find_analyzer.h"

#include <unistd.h>

#include <filesystem>

namespace mx::recovery {

std::string find_analyzer() {
  std::error_code ignored;
  std::filesystem::path here = std::filesystem::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const char* place : {"mx-analyze", "../libexec/mx/mx-analyze", "../../analyzer/mx-analyze"})
    if (access((here / place).c_str(), X_OK) == 0) return here / place;
  return {};
}

}  // namespace mx::recovery
