#include "analyzer/mapping/identity.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "analyzer/base/hash.h"

namespace mx::mapping {
namespace {

using Bytes = std::span<const uint8_t>;

template <class T>
bool read_at(Bytes file, uint64_t offset, T& out) {
  if (offset > file.size() || file.size() - offset < sizeof out) return false;
  std::memcpy(&out, file.data() + offset, sizeof out);
  return true;
}

// Looks for NT_GNU_BUILD_ID in one note segment.
bool find_build_id(Bytes file, const Elf64_Phdr& segment, Identity& out) {
  uint64_t at = segment.p_offset, end = at + segment.p_filesz;
  if (end < at || end > file.size()) return false;
  Elf64_Nhdr note;
  while (at + sizeof note <= end && read_at(file, at, note)) {
    uint64_t name = at + sizeof note, description = name + ((uint64_t{note.n_namesz} + 3) & ~3ULL);
    if (description > end || note.n_descsz > end - description) return false;
    bool gnu = note.n_namesz == 4 && std::memcmp(file.data() + name, "GNU", 4) == 0;
    if (gnu && note.n_type == NT_GNU_BUILD_ID && note.n_descsz > 0 &&
        note.n_descsz <= sizeof out.id) {
      std::memcpy(out.id, file.data() + description, note.n_descsz);
      out.id_size = note.n_descsz;
      return true;
    }
    at = description + ((uint64_t{note.n_descsz} + 3) & ~3ULL);
  }
  return false;
}

bool find_build_id(Bytes file, Identity& out) {
  Elf64_Ehdr header;
  if (!read_at(file, 0, header) || std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return false;
  for (uint32_t k = 0; k < header.e_phnum; ++k) {
    Elf64_Phdr segment;
    if (!read_at(file, header.e_phoff + k * sizeof segment, segment)) return false;
    if (segment.p_type == PT_NOTE && find_build_id(file, segment, out)) return true;
  }
  return false;
}

}  // namespace

analyzer::Result<Identity> identity_of(const std::string& path) {
  int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return analyzer::Error{"cannot open " + path + ": " + strerror(errno)};
  struct stat st {};
  void* map = MAP_FAILED;
  if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0)
    map = mmap(nullptr, static_cast<size_t>(st.st_size), PROT_READ, MAP_PRIVATE, fd, 0);
  close(fd);
  if (map == MAP_FAILED) return analyzer::Error{path + " is empty or not a regular file"};
  Bytes file{static_cast<const uint8_t*>(map), static_cast<size_t>(st.st_size)};
  Identity out;
  out.file_size = file.size();
  if (!find_build_id(file, out)) {
    uint64_t hash = analyzer::hash_bytes(file);
    std::memcpy(out.id, &hash, sizeof hash);
    out.id_size = sizeof hash;
  }
  munmap(map, file.size());
  return out;
}

}  // namespace mx::mapping
