#include "shim/agent/joint_files.h"

#include "shim/agent/copied_maps.h"
#include "shim/agent/flight.h"
#include "shim/agent/mapped_files.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/shadow.h"

namespace mx::agent {

using stream::CheckpointRefusal;
using stream::Joint;
using stream::SharedFile;

namespace {

// What this process copies.
struct Made {
  uint32_t index;  // of SharedFile
  int from, memfd;
};
Made made[stream::kMostSharedFiles];
int made_count;

// What this process has mapped of them.
struct Taken {
  FileId file, memfd;
  int fd;
};
Taken taken[stream::kMostSharedFiles];
int taken_count;

FileId file_of(const SharedFile& f) { return {f.device, f.inode}; }

// Null: there is no room. `fresh`: this process is the first that names it.
SharedFile* file_in(const Thread* t, Joint& j, const FileId& file, bool& fresh) {
  const OneAtATime one(j.lock);
  const uint32_t known = j.files < stream::kMostSharedFiles ? j.files : stream::kMostSharedFiles;
  fresh = false;
  for (uint32_t i = 0; i < known; i++)
    if (file_of(j.file[i]) == file) return &j.file[i];
  if (known == stream::kMostSharedFiles) return nullptr;
  fresh = true;
  SharedFile& f = j.file[j.files++];
  f = {file.device,
       file.inode,
       0,
       0,
       static_cast<uint32_t>(t->proc->shared - control()->processes),
       t->proc->real_pid,
       -1};
  return &f;
}

long open_source(const Thread* t, const MapsLine& m, const FileId& file) {
  if (t->role != Role::kFollower) return open_mapped(t, m, file);
  const Shadow* s = find_shadow(file);
  return s ? sys(__NR_fcntl, s->memfd, kDupfdCloexec, kHighFd) : kEbadf;
}

bool copy_content(Thread* t, int from, int to, uint64_t size) {
  for (uint64_t at = 0; at < size;) {
    const long n = sys(__NR_sendfile, to, from, &at, size - at);
    count_own(t, __NR_sendfile, n);
    if (n <= 0) return n == 0;  // it has become shorter
  }
  return true;
}

bool copy_file(Thread* t, Joint& j, Made& m) {
  FileInfo info, copy;
  if (!look_at(m.from, info)) return false;
  const auto size = static_cast<uint64_t>(info.size);
  if (j.written.fetch_add(size) + size > stream::kMostShared) return false;
  const long memfd = new_shadow_memfd(size);
  if (is_error(memfd)) return false;
  m.memfd = static_cast<int>(memfd);
  if (!look_at(m.memfd, copy)) return false;
  SharedFile& f = j.file[m.index];
  f.memfd_device = copy.device, f.memfd = copy.inode, f.fd = m.memfd;
  return copy_content(t, m.from, m.memfd, size);
}

}  // namespace

CheckpointRefusal note_files(Thread* t, Joint& j, const MapsLine& m) {
  for (const SharedMap& of : shared_maps) {
    Part part;
    bool fresh;
    if (!overlap(m, of, part)) continue;
    const SharedFile* f = file_in(t, j, of.file, fresh);
    if (!f) return CheckpointRefusal::kTooMuchShared;
    if (!fresh) continue;
    const long from = open_source(t, m, of.file);
    if (is_error(from)) return CheckpointRefusal::kMappedFile;
    made[made_count++] = {static_cast<uint32_t>(f - j.file), static_cast<int>(from), -1};
  }
  return CheckpointRefusal::kNone;
}

bool copy_files(Thread* t, Joint& j) {
  for (int i = 0; i < made_count; i++)
    if (!copy_file(t, j, made[i])) return false;
  return true;
}

bool take_files(const Joint& j) {
  for (uint32_t i = 0; i < j.files && i < stream::kMostSharedFiles; i++) {
    const SharedFile& f = j.file[i];
    if (!is_mapped_now(file_of(f))) continue;
    const FileId memfd{f.memfd_device, f.memfd};
    const long fd = open_memfd_of(f.pid, f.fd, memfd);
    if (is_error(fd)) return false;
    taken[taken_count++] = {file_of(f), memfd, static_cast<int>(fd)};
  }
  return true;
}

void leave_copies() {
  for (int i = 0; i < made_count; i++) {
    sys(__NR_close, made[i].from);
    if (made[i].memfd >= 0) sys(__NR_close, made[i].memfd);
  }
  made_count = 0;
}

void leave_files() {
  leave_copies();
  forget_files(true);
}

long open_copied_file(const Thread* t, const FileId& file) {
  for (int i = 0; i < taken_count; i++)
    if (taken[i].file == file) return open_memfd_of(t->proc->real_pid, taken[i].fd, taken[i].memfd);
  return kEbadf;
}

void forget_files(bool inherited) {
  for (int i = 0; inherited && i < taken_count; i++) sys(__NR_close, taken[i].fd);
  taken_count = 0;
}

}  // namespace mx::agent
