#include "shim/agent/copied_maps.h"

#include "shim/agent/copied_fds.h"
#include "shim/agent/copied_memory.h"
#include "shim/agent/fds.h"
#include "shim/agent/joint_files.h"
#include "shim/agent/maps_line.h"
#include "shim/agent/shadow.h"
#include "shim/agent/threads.h"

namespace mx::agent {

using stream::CheckpointRefusal;

namespace {

constexpr uint64_t kShared = 1, kFixed = 0x10;
constexpr uint64_t kOpen = 02004002, kNofollow = 0400000;  // O_RDWR, O_CLOEXEC, O_NONBLOCK

bool map_instead(const MapsLine& m, uint64_t begin, uint64_t end, int fd, uint64_t offset) {
  return !is_error(
      raw6(__NR_mmap, begin, end - begin, protection(m), kShared | kFixed, fd, offset));
}

size_t append_address(char* to, size_t at, uint64_t address) {
  int shift = 60;
  while (shift > 0 && !(address >> shift)) shift -= 4;
  for (; shift >= 0; shift -= 4) to[at++] = "0123456789abcdef"[(address >> shift) & 15];
  to[at] = 0;
  return at;
}

// One that has no name any more: by a descriptor of the process that this is a copy of.
long open_by_number(const Thread* t, const FileId& file) {
  char path[48];
  for (int fd = 0; fd <= t->proc->max_fd; fd++) {
    FileInfo info;
    path_of_number(t->proc->real_pid, fd, path);
    if (is_error(sys(__NR_newfstatat, -100, path, &info, 0)) || !(info.id() == file)) continue;
    const long own = open_if(path, file, kOpen);
    if (!is_error(own)) return own;
  }
  return kEbadf;
}

// By a link that the kernel has for each mapping, which only root may use: proc(5).
long open_by_mapping(const MapsLine& m, const FileId& file) {
  char path[80] = "/proc/self/map_files/";
  size_t n = append_address(path, string_length(path, sizeof path), m.begin);
  path[n++] = '-';
  append_address(path, n, m.end);
  return open_if(path, file, kOpen);
}

// Former leader: in place of the file, which is open as `fd`, a shadow with what that holds.
Shadow* shadow_from(const Thread* t, const FileId& file, int fd, bool together) {
  FileInfo info;
  if (Shadow* known = find_shadow(file)) return known;
  if (together) {
    const long copied = open_copied_file(t, file);
    return is_error(copied) ? nullptr : keep_shadow(file, copied);
  }
  if (!look_at(fd, info) || !take_room(static_cast<uint64_t>(info.size))) return nullptr;
  Shadow* made = add_shadow(file, static_cast<uint64_t>(info.size));
  if (made) copy_range(fd, made->memfd, 0, static_cast<uint64_t>(info.size));
  return made;
}

long copy_of_shadow(int memfd) {
  FileInfo info;
  if (!look_at(memfd, info) || !take_room(static_cast<uint64_t>(info.size))) return kEbadf;
  const long made = new_shadow_memfd(static_cast<uint64_t>(info.size));
  if (!is_error(made))
    copy_range(memfd, static_cast<int>(made), 0, static_cast<uint64_t>(info.size));
  return made;
}

// A follower has shadows already, which are its original's, too: others. (One whose file is not
// mapped is not among those that all have copied.)
bool copy_shadows(const Thread* t, bool together) {
  for (int i = 0; i < shadow_count; i++) {
    const int old = shadows[i].memfd;
    const bool copied = together && is_mapped_now(shadows[i].file);
    const long made = copied ? open_copied_file(t, shadows[i].file) : copy_of_shadow(old);
    if (is_error(made)) return false;
    const bool placed = !is_error(sys(__NR_dup3, made, old, 02000000));
    sys(__NR_close, made);
    if (!placed) return false;
  }
  return true;
}

bool map_shadow_instead(const Thread* t, const MapsLine& m, SharedMap& of, const Part& part,
                        bool together) {
  if (of.fd < 0) {  // a leader's: the file itself
    const long fd = open_mapped(t, m, of.file);
    if (is_error(fd)) return false;
    of.fd = static_cast<int>(fd);
  }
  const Shadow* s = shadow_from(t, of.file, of.fd, together);
  return s && map_instead(m, part.begin, part.end, s->memfd, of.offset + (part.begin - of.address));
}

bool is_memfd(const MapsLine& m) {
  const bool ours = m.begin >= stream::kAgentBase && m.begin < stream::kRangeEnd;
  return !ours && starts_with(m.path, "/memfd:");
}

// A private mapping would see what is written to the file in those of its pages that it has not
// written.
bool map_memory_instead(const MapsLine& m) {
  if (m.perms[3] != 's') return false;
  const FileId file{m.device, m.inode};
  const CopiedMemory* c = copied_memory(file);
  if (!c || !c->named) c = take_from_mapping(file, m.begin, m.end - m.begin, m.offset);
  return c && map_instead(m, m.begin, m.end, c->fd, m.offset);
}

bool own_line(const Thread* t, const MapsLine& m, bool together) {
  bool of_file = false;
  for (SharedMap& of : shared_maps) {
    Part part;
    if (!overlap(m, of, part)) continue;
    of_file = true;
    if (!map_shadow_instead(t, m, of, part, together)) return false;
  }
  return of_file || !is_memfd(m) || map_memory_instead(m);
}

bool own_lines(const Thread* t, bool together) {
  const long high = move_high(sys(__NR_openat, -100, "/proc/self/maps", 02000000));
  if (is_error(high)) return false;
  bool all = true;
  LineReader reader{static_cast<int>(high), {}};
  while (const char* line = all ? reader.next() : nullptr) {
    MapsLine m;
    if (parse(line, m)) all = own_line(t, m, together);
  }
  sys(__NR_close, high);
  return all;
}

// The processes that may have inherited the same maps: they are called after the first of them.
uint32_t family(const Process* p, int version) {
  const uint32_t inherited = p->maps_from[version].load();
  return inherited ? inherited : static_cast<uint32_t>(p - control()->processes) + 1;
}

}  // namespace

bool overlap(const MapsLine& m, const SharedMap& of, Part& part) {
  const uint64_t end = of.address + ((of.length + stream::kPage - 1) & ~(stream::kPage - 1));
  if (!of.length || m.perms[3] != 's') return false;
  part = {m.begin > of.address ? m.begin : of.address, m.end < end ? m.end : end};
  return part.begin < part.end;
}

long open_mapped(const Thread* t, const MapsLine& m, const FileId& file) {
  long fd = open_if(m.path, file, kOpen | kNofollow);
  if (is_error(fd)) fd = open_by_number(t, file);
  if (is_error(fd)) fd = open_by_mapping(m, file);
  return move_high(fd);
}

uint32_t family_of_maps(Thread* t) {
  return family(t->proc->shared, static_cast<int>(t->proc->version));
}

bool maps_memory_of_its_own(Thread* t) { return maps_files() || t->proc->has_memfd; }

bool shares_maps(Thread* t) {
  const Process* self = t->proc->shared;
  const int v = static_cast<int>(t->proc->version);
  const uint32_t mine = family(self, v);
  for (const Process& p : stream::processes_taken(*control())) {
    if (&p == self || !p.alive[v].load() || family(&p, v) != mine) continue;
    const auto state = static_cast<stream::PairState>(p.state.load());
    if (state != stream::PairState::kEnded) return true;
  }
  return false;
}

CheckpointRefusal own_maps(Thread* t, bool together) {
  if (!maps_memory_of_its_own(t)) return CheckpointRefusal::kNone;
  if (!copy_shadows(t, together) || !own_lines(t, together))
    return is_full() ? CheckpointRefusal::kTooMuchShared : CheckpointRefusal::kMappedFile;
  finish_memory();
  return CheckpointRefusal::kNone;
}

}  // namespace mx::agent
