#include "analyzer/output/syscall_sites.h"

#include "shim/sites/find_sites.h"

namespace mx::analyzer {

Result<std::vector<SystemCallSite>> system_call_sites(const std::string& path) {
  auto table = sites::find_sites_file(path);
  if (!table) return Error{path + ": " + table.error()};
  std::vector<SystemCallSite> out;
  for (const sites::Site& s : table.value().sites()) {
    bool good = s.flags & sites::kRewritable;
    out.push_back({s.offset, s.len, good, good ? "" : sites::reason_name(s.reason)});
  }
  return out;
}

}  // namespace mx::analyzer
