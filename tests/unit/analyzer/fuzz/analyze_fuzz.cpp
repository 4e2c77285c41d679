// libFuzzer target: any bytes as a program are analysed (against the program named by
// MX_FUZZ_SEED_FILE) or refused; any bytes as a mapping file are read inside their bounds or
// refused.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "analyzer/analysis.h"
#include "analyzer/mapping/mapping_file.h"
#include "analyzer/mapping/writer.h"

namespace {

void read_mapping(const uint8_t* data, size_t size) {
  std::vector<uint64_t> room(size / 8 +
                             1);  // mapping files are read in place: aligned, as mmap gives them
  auto* raw = reinterpret_cast<uint8_t*>(room.data());
  std::memcpy(raw, data, size);
  std::span<uint8_t> file(raw, size);
  if (size >= sizeof(mx::mapping::Header)) {  // else every input dies at the checksum
    uint64_t sum = mx::mapping::checksum_of(file);
    std::memcpy(raw + offsetof(mx::mapping::Header, checksum), &sum, sizeof sum);
  }
  auto m = mx::mapping::MappingFile::check(file, "input");
  if (!m) return;
  const auto& map = *m.value();
  for (const auto& f : map.functions()) {
    size_t seen = map.text(f.name).size() + map.sites_of(f).size() + map.old_fixups_of(f).size() +
                  map.new_fixups_of(f).size();
    for (const auto& site : map.sites_of(f)) {
      for (const auto& move : map.moves_to_new(site)) seen += move.size;
      for (const auto& move : map.moves_to_old(site)) seen += map.text(move.name).size();
    }
    if (seen == ~size_t{0} ||
        map.site_at_old(f.old_address + 1) == map.call_sites().data() + map.call_sites().size())
      abort();
    map.site_at_new(f.new_address + 1);
  }
}

void analyse(const uint8_t* data, size_t size) {
  int fd = memfd_create("input", MFD_CLOEXEC);
  if (fd < 0 || write(fd, data, size) != static_cast<ssize_t>(size)) abort();
  mx::analyzer::Options options;
  options.old_path = "/proc/self/fd/" + std::to_string(fd);
  const char* seed = getenv("MX_FUZZ_SEED_FILE");
  options.new_path = seed ? seed : options.old_path;
  auto a = mx::analyzer::analyze(options);
  close(fd);
  if (!a) {
    if (a.error().sentence.empty() || a.error().sentence.find('\n') != std::string::npos) abort();
    return;
  }
  // The input is gone; only the identity of the file could fail now.
  (void)mx::mapping::write_mapping(*a.value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > sizeof mx::mapping::kMagic && std::memcmp(data, mx::mapping::kMagic, 6) == 0)
    read_mapping(data, size);
  else
    analyse(data, size);
  return 0;
}
