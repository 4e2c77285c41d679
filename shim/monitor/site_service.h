// Finds the rewritable sites of the files that agents
// have mapped, and puts the tables into the arena.
#pragma once
#include <cstdint>

#include "shim/monitor/arena.h"
#include "shim/sites/site_cache.h"

namespace mx::monitor {

class SiteService {
 public:
  /// `host_tables`: a folder of tables that the host made,
  /// in a container (sites/host_tables.h); -1: none.
  SiteService(const Arena& arena, bool container, int host_tables);
  /// Serves entry `index`, whose file is mapped at `address` in process `pid`.
  void serve(uint32_t index, pid_t pid, uint64_t address);

 private:
  const Arena& arena_;
  sites::SiteCache cache_;
  int host_tables_;
  uint64_t used_ = 0;
};

}  // namespace mx::monitor
