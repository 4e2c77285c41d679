// mx-sites FILE: prints the site table of an ELF file, one line a site. `--quiet`: only the
// summary.
#include <chrono>
#include <cstdio>
#include <cstring>
#include <map>

#include "find_sites.h"
#include "lock_entries.h"

namespace {

void print(const mx::sites::Site& site) {
  using namespace mx::sites;
  if (site.flags & kRewritable) {
    std::printf("%#x rewrite len %u syscall +%u", site.offset, site.len, site.syscall_at);
    if (site.flags & kTouchesMemory) std::printf(" memory");
  } else {
    std::printf("%#x refuse %s", site.offset, reason_name(site.reason));
  }
  if (site.flags & kGuessedBounds) std::printf(" guessed");
  for (const uint8_t at : site.disp32_at)
    if (at != 0) std::printf(" disp32 +%u", at);
  std::printf("\n");
}

}  // namespace

int main(int argc, char** argv) {
  const bool quiet = argc == 3 && std::strcmp(argv[1], "--quiet") == 0;
  if (argc != (quiet ? 3 : 2)) {
    std::fprintf(stderr, "usage: mx-sites [--quiet] FILE\n");
    return 2;
  }
  const auto start = std::chrono::steady_clock::now();
  const auto found = mx::sites::find_sites_file(argv[argc - 1]);
  const auto time = std::chrono::steady_clock::now() - start;
  if (!found) {
    std::fprintf(stderr, "mx-sites: %s\n", found.error().c_str());
    return 1;
  }
  const auto& table = found.value();
  std::map<mx::sites::Reason, unsigned> refused;
  for (const auto& site : table.sites()) {
    if (!quiet) print(site);
    if (!(site.flags & mx::sites::kRewritable)) ++refused[site.reason];
  }
  for (const auto& site : table.counters())
    if (!quiet)
      std::printf("%#x rewrite counter len %u at +%u stone +%u\n", site.offset, site.len,
                  site.syscall_at, site.stone);
  for (const auto& entry : table.lock_entries())
    if (!quiet)
      std::printf("%#x lock %s len %u\n", entry.offset,
                  mx::sites::kLockFunctions[entry.function].name, entry.len);
  std::printf("%u sites, %u rewritable", table.table().count, table.table().rewritable);
  for (const auto& [reason, count] : refused)
    std::printf(", %u %s", count, mx::sites::reason_name(reason));
  std::printf("\n");
  if (quiet) std::printf("%.1f ms\n", std::chrono::duration<double, std::milli>(time).count());
  return 0;
}
