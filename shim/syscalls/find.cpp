#include "shim/syscalls/find.h"

namespace mx::sys {

const Desc* find(std::string_view name) {
  for (const Desc& desc : detail::kTable) {
    if (name == desc.name) return &desc;
  }
  return nullptr;
}

}  // namespace mx::sys
