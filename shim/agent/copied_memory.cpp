#include "shim/agent/copied_memory.h"

#include "shim/agent/memory.h"
#include "shim/agent/paths.h"
#include "shim/agent/shadow.h"

namespace mx::agent {

namespace {

constexpr uint64_t kCloexec = 1, kAllowSealing = 2;  // of memfd_create
constexpr uint64_t kOCloexec = 02000000;
constexpr int kAddSeals = 1033, kGetSeals = 1034;
constexpr int kMost = 64;
constexpr uint64_t kMostBytes = 64 << 20;

CopiedMemory copies[kMost];
int copy_count;
uint64_t room = kMostBytes;
bool full = false;

// As memfd_create was told: "/memfd:NAME (deleted)".
long make_named_as(int source) {
  constexpr char kBefore[] = "/memfd:", kAfter[] = " (deleted)";
  char path[300];
  const long n = path_of_descriptor(source, path, sizeof path - 1);
  const size_t before = sizeof kBefore - 1, after = sizeof kAfter - 1;
  if (n < static_cast<long>(before + after) || !starts_with(path, kBefore))
    return sys(__NR_memfd_create, "", kCloexec | kAllowSealing);
  path[n - after] = 0;
  return sys(__NR_memfd_create, path + before, kCloexec | kAllowSealing);
}

CopiedMemory* add(const FileId& file, long fd, uint32_t seals, bool named) {
  if (is_error(fd)) return nullptr;
  if (copy_count == kMost) return nullptr;
  copies[copy_count] = {file, static_cast<int>(fd), seals, named};
  return &copies[copy_count++];
}

CopiedMemory* copy_of(int source) {
  FileInfo info;
  if (!look_at(source, info) || !take_room(static_cast<uint64_t>(info.size))) return nullptr;
  const long seals = sys(__NR_fcntl, source, kGetSeals, 0);
  const long made = make_named_as(source);
  if (is_error(made)) return nullptr;
  sys(__NR_ftruncate, made, info.size);
  copy_range(source, static_cast<int>(made), 0, static_cast<uint64_t>(info.size));
  return add(info.id(), made, is_error(seals) ? 0 : static_cast<uint32_t>(seals), true);
}

}  // namespace

bool take_room(uint64_t bytes) {
  full |= bytes > room;
  if (full) return false;
  room -= bytes;
  return true;
}

bool is_full() { return full; }

CopiedMemory* copied_memory(const FileId& file) {
  for (int i = 0; i < copy_count; i++)
    if (copies[i].file == file) return &copies[i];
  return nullptr;
}

bool place_memory(int source, const MemoryFd& m) {
  FileInfo info;
  if (!look_at(source, info)) return false;
  CopiedMemory* c = copied_memory(info.id());
  const bool first = !c;
  if (first && !(c = copy_of(source))) return false;
  if (c->fd == m.fd) {
    if (!m.cloexec) sys(__NR_fcntl, m.fd, 2 /*F_SETFD*/, 0);
  } else {
    if (is_error(sys(__NR_dup3, c->fd, m.fd, m.cloexec ? kOCloexec : 0))) return false;
    if (first) sys(__NR_close, c->fd), c->fd = m.fd;
  }
  if (first && m.offset > 0) sys(__NR_lseek, m.fd, m.offset, 0);
  return true;
}

CopiedMemory* take_from_mapping(const FileId& file, uint64_t address, uint64_t length,
                                uint64_t offset) {
  CopiedMemory* c = copied_memory(file);
  if (!take_room(length)) return nullptr;
  if (!c) {
    const long high = move_high(sys(__NR_memfd_create, "", kCloexec));
    if (!(c = add(file, high, 0, false))) return nullptr;
  }
  FileInfo now;
  if (look_at(c->fd, now) && now.size < static_cast<int64_t>(offset + length))
    sys(__NR_ftruncate, c->fd, offset + length);
  for (uint64_t done = 0; done < length;) {
    const long n = sys(__NR_pwrite64, c->fd, address + done, length - done, offset + done);
    if (n <= 0) break;  // beyond the end of the file
    done += n;
  }
  return c;
}

void finish_memory() {
  for (int i = 0; i < copy_count; i++) {
    if (copies[i].seals) sys(__NR_fcntl, copies[i].fd, kAddSeals, copies[i].seals);
    if (!copies[i].named) sys(__NR_close, copies[i].fd);
  }
  copy_count = 0;
  room = kMostBytes;  // it will be copied itself
}

}  // namespace mx::agent
