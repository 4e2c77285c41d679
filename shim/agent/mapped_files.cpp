#include "shim/agent/mapped_files.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/copied_fds.h"
#include "shim/agent/shadow.h"

namespace mx::agent {

using stream::MappedFile;
using stream::MappedState;

namespace {

constexpr uint32_t kIsThere = static_cast<uint32_t>(MappedState::kThere);
constexpr uint32_t kIsFree = static_cast<uint32_t>(MappedState::kFree);
constexpr uint32_t kIsWritten = static_cast<uint32_t>(MappedState::kBeingWritten);

int version_of(const Thread* t) { return static_cast<int>(t->proc->version); }
MappedFile* table_of(const Thread* t) { return control()->mapped_files[version_of(t)]; }
uint32_t index_of(const Thread* t) {
  return static_cast<uint32_t>(t->proc->shared - control()->processes);
}

// Null: it has ended, or is another one now.
Process* process_of(const MappedFile& m, int version) {
  Process& p = control()->processes[m.process % stream::kMaxProcesses];
  return p.alive[version].load() && p.vpid == m.vpid ? &p : nullptr;
}

bool is_own(const MappedFile& m, const Thread* t) {
  return m.state.load() == kIsThere && m.process == index_of(t);
}

void free_entry(MappedFile& m) {
  uint32_t there = kIsThere;
  m.state.compare_exchange_strong(there, kIsFree);
}

// A process that had it may be gone.
MappedFile* take_entry(const Thread* t) {
  MappedFile* table = table_of(t);
  for (int round = 0; round < 2; round++) {
    for (uint32_t i = 0; i < stream::kMostMappedFiles; i++) {
      uint32_t free = kIsFree;
      if (table[i].state.compare_exchange_strong(free, kIsWritten)) return &table[i];
    }
    for (uint32_t i = 0; i < stream::kMostMappedFiles; i++)
      if (!process_of(table[i], version_of(t))) free_entry(table[i]);
  }
  return nullptr;
}

MappedFile* own_entry(const Thread* t, const FileId& file) {
  for (uint32_t i = 0; i < stream::kMostMappedFiles; i++) {
    MappedFile& m = table_of(t)[i];
    if (is_own(m, t) && FileId{m.device, m.inode} == file) return &m;
  }
  return nullptr;
}

// Of other processes that have the file: fn(entry), until it says false.
template <class Fn>
void each_other_entry(const Thread* t, const FileId& file, Fn fn) {
  for (uint32_t i = 0; i < stream::kMostMappedFiles; i++) {
    MappedFile& m = table_of(t)[i];
    const bool others = m.state.load() == kIsThere && !is_own(m, t);
    if (others && FileId{m.device, m.inode} == file && !fn(m)) return;
  }
}

// Its checkpoints alone are worth nothing any more.
void shares_from_now(Process& p, int version) {
  p.sharing[version].store(1);
  for (stream::Sleeper& s : p.checkpoint[version].sleepers)
    if (!s.round) give_up(s);
}

void note_sharers(Thread* t, const FileId& file) {
  bool shared = false;
  each_other_entry(t, file, [&](const MappedFile& m) {
    Process* p = process_of(m, version_of(t));
    shared |= p != nullptr;
    if (p && !p->sharing[version_of(t)].load()) shares_from_now(*p, version_of(t));
    return true;
  });
  if (shared) share_memory_from_now(t);
}

}  // namespace

void announce_mapped(Thread* t, const FileId& file, int memfd) {
  FileInfo info{};
  if (memfd >= 0 && !look_at(memfd, info)) return;
  if (MappedFile* last = own_entry(t, file)) free_entry(*last);
  if (MappedFile* m = take_entry(t)) {
    t->proc->shared->maps_files[version_of(t)].store(1);
    m->written.store(0);
    m->process = index_of(t);
    m->vpid = t->proc->vpid;
    m->fd = memfd;
    m->device = file.device, m->inode = file.inode;
    m->memfd_device = info.device, m->memfd = info.inode;
    m->state.store(kIsThere);
  }
  note_sharers(t, file);
}

void announce_all_mapped(Thread* t) {
  if (!maps_files()) return;
  for (const SharedMap& m : shared_maps) {
    if (!m.length) continue;
    const Shadow* s = find_shadow(m.file);
    announce_mapped(t, m.file, s ? s->memfd : -1);
  }
}

void retract_unmapped(const Thread* t) {
  for (uint32_t i = 0; i < stream::kMostMappedFiles; i++) {
    MappedFile& m = table_of(t)[i];
    if (is_own(m, t) && !is_mapped_now({m.device, m.inode})) free_entry(m);
  }
}

void retract_all_mapped(const Thread* t) {
  for (uint32_t i = 0; i < stream::kMostMappedFiles; i++)
    if (is_own(table_of(t)[i], t)) free_entry(table_of(t)[i]);
}

bool writes_back(const Thread* t, const FileId& file) {
  if (const MappedFile* own = own_entry(t, file); own && own->written.load()) return false;
  each_other_entry(t, file, [](MappedFile& m) {
    m.written.store(1);
    return true;
  });
  return true;
}

long open_memfd_of(int32_t pid, int fd, const FileId& expected) {
  constexpr uint64_t kReadWriteCloexec = 02000002;
  char path[48];
  path_of_number(pid, fd, path);
  return move_high(open_if(path, expected, kReadWriteCloexec));
}

long fetch_shadow(const Thread* t, const FileId& file) {
  long fd = kEbadf;
  each_other_entry(t, file, [&](const MappedFile& m) {
    const Process* p = m.fd < 0 ? nullptr : process_of(m, version_of(t));
    if (p) fd = open_memfd_of(p->real_pid[version_of(t)], m.fd, {m.memfd_device, m.memfd});
    return is_error(fd);
  });
  return fd;
}

}  // namespace mx::agent
