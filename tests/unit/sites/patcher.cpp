#include "patcher.h"

#include <link.h>
#include <sys/mman.h>

#include <cstring>
#include <stdexcept>

#include "shim/sites/mapped_file.h"

namespace mx::sites {
namespace {

constexpr size_t kRoom = size_t{1} << 20;
constexpr uint64_t kPage = 4096;

TableBytes find_or_throw(const std::string& file) {
  auto found = find_sites_file(file);
  if (!found) throw std::runtime_error(found.error());
  return found.value();
}

uint8_t* map_near(uint64_t address) {
  for (uint64_t distance = 1 << 24; distance < (uint64_t{1} << 30); distance += 1 << 24) {
    void* wanted = reinterpret_cast<void*>((address & ~(kPage - 1)) - distance);
    void* got = mmap(wanted, kRoom, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != MAP_FAILED) return static_cast<uint8_t*>(got);
  }
  throw std::runtime_error("no room for trampolines");
}

void make_writable(const std::string& file, uint64_t base) {
  const auto mapped = MappedFile::open(file);
  if (!mapped) throw std::runtime_error(mapped.error());
  const auto image = ElfImage::parse(mapped.value().bytes());
  if (!image) throw std::runtime_error(image.error());
  for (const Segment& code : image.value().code()) {
    const uint64_t begin = (base + code.address) & ~(kPage - 1);
    if (mprotect(reinterpret_cast<void*>(begin), base + code.end() - begin,
                 PROT_READ | PROT_WRITE | PROT_EXEC) != 0)
      throw std::runtime_error("mprotect failed");
  }
}

/// A jump or displacement field at `field`, so that `field + 4 + value == target`.
void put_rel32(uint8_t* field, const uint8_t* target) {
  const int64_t distance = target - (field + 4);
  const auto narrow = static_cast<int32_t>(distance);
  if (narrow != distance) throw std::runtime_error("out of reach");
  std::memcpy(field, &narrow, 4);
}

}  // namespace

Patcher::Patcher(const std::string& file, uint64_t base)
    : table_(find_or_throw(file)), base_(base), room_(map_near(base)) {
  make_writable(file, base);
}

void Patcher::patch(const Site& site) {
  auto* region = reinterpret_cast<uint8_t*>(base_ + site.offset);
  const auto copy = [&](size_t from, size_t to) {
    std::memcpy(room_, region + from, to - from);
    for (const size_t at : site.disp32_at) {
      if (at == 0 || at < from || at >= to) continue;
      int32_t displacement;
      std::memcpy(&displacement, region + at, 4);
      put_rel32(room_ + (at - from), region + at + 4 + displacement);
    }
    room_ += to - from;
  };
  const auto emit = [&](std::initializer_list<uint8_t> bytes) {
    std::memcpy(room_, bytes.begin(), bytes.size());
    room_ += bytes.size();
  };

  uint8_t* const trampoline = room_;
  copy(0, site.syscall_at);
  // Counts with rcx and r11 only, which the kernel overwrites anyway, and without touching the
  // flags.
  volatile uint64_t* counter = &calls_;
  emit({0x48, 0xb9});  // mov $counter, %rcx
  std::memcpy(room_, &counter, 8);
  room_ += 8;
  emit({0x4c, 0x8b, 0x19});        // mov (%rcx), %r11
  emit({0x4d, 0x8d, 0x5b, 0x01});  // lea 1(%r11), %r11
  emit({0x4c, 0x89, 0x19});        // mov %r11, (%rcx)
  emit({0x0f, 0x05});
  copy(site.syscall_at + site.size, site.len);
  emit({0xe9, 0, 0, 0, 0});
  put_rel32(room_ - 4, region + site.len);

  std::memset(region, 0xcc, site.len);
  region[0] = 0xe9;
  put_rel32(region + 1, trampoline);
}

uint64_t load_base(const std::string& suffix) {
  struct Search {
    const std::string& suffix;
    uint64_t base;
    bool found;
  } search{suffix, 0, false};
  dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* data) {
        auto& search = *static_cast<Search*>(data);
        const std::string name = info->dlpi_name;
        const bool match = search.suffix.empty() ? name.empty() : name.ends_with(search.suffix);
        if (match && !search.found) search.base = info->dlpi_addr, search.found = true;
        return 0;
      },
      &search);
  if (!search.found) throw std::runtime_error("not loaded: " + suffix);
  return search.base;
}

}  // namespace mx::sites
