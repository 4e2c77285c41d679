#include "shim/agent/joint.h"

#include "shim/agent/failover.h"
#include "shim/agent/flight.h"
#include "shim/agent/joint_files.h"
#include "shim/agent/lane.h"
#include "shim/agent/log.h"
#include "shim/agent/maps_line.h"
#include "shim/agent/memory.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/rest.h"
#include "shim/agent/segments.h"
#include "shim/agent/shared_locks.h"
#include "shim/agent/shared_maps.h"

namespace mx::agent {

using stream::CheckpointRefusal;
using stream::Joint;
using stream::JointPhase;
using stream::SharedPiece;

namespace {

constexpr int kLongestMs = 100;  // the monitor calls it off sooner
constexpr uint64_t kPage = stream::kPage;
constexpr uint64_t kShared = 1, kFixed = 0x10;

// What this process maps of it, and where the copy stands in the arena's file.
struct Mapped {
  uint64_t address, size, prot, copy;
  int64_t segment;  // of System V, or -1
  bool mine;        // to copy
};
constexpr int kMostMapped = 64;
Mapped mapped[kMostMapped];
int mapped_count;

Joint& joint(const Thread* t) { return control()->joint[static_cast<int>(t->proc->version)]; }
bool is(const Joint& j, JointPhase p) { return j.phase.load() == static_cast<uint32_t>(p); }

bool change(Joint& j, JointPhase from, JointPhase to) {
  auto expected = static_cast<uint32_t>(from);
  if (!j.phase.compare_exchange_strong(expected, static_cast<uint32_t>(to))) return false;
  futex_wake(&j.phase, 1 << 30);
  return true;
}

void call_off(Joint& j, CheckpointRefusal why) {
  j.refusal.store(static_cast<uint32_t>(why));
  for (const auto phase : {JointPhase::kGathering, JointPhase::kCopying, JointPhase::kTaking})
    if (change(j, phase, JointPhase::kCalledOff)) return;
}

// Until the others are there, too.
void await_end_of(Joint& j, JointPhase p) {
  for (int waited = 0; is(j, p) && waited < kLongestMs; waited++)
    futex_wait(&j.phase, static_cast<uint32_t>(p), 1);
  if (is(j, p)) call_off(j, CheckpointRefusal::kNotTogether);
}

enum class Kind { kNone, kCopied, kFile, kForeign };

bool is_segment(const MapsLine& m) { return starts_with(m.path, "/SYSV"); }

Kind kind_of(const MapsLine& m, const FileInfo& arena) {
  const bool ours = m.begin >= stream::kAgentBase && m.begin < stream::kRangeEnd;
  if (m.perms[3] != 's' || ours) return Kind::kNone;
  const bool anonymous = starts_with(m.path, "/dev/zero") || m.inode == arena.inode;
  if (m.device == arena.device && (anonymous || is_segment(m))) return Kind::kCopied;
  return is_segment(m) ? Kind::kForeign : Kind::kFile;  // (a segment of huge pages)
}

// The list shows a segment's id as its inode: not one of the others.
uint64_t number_of(const MapsLine& m) {
  constexpr uint64_t kSegment = uint64_t{1} << 63;
  return m.inode | (is_segment(m) ? kSegment : 0);
}

// Its place in the table; the first process that names it copies it. Null: no room, or others have
// mapped another part of it.
SharedPiece* piece_of(Joint& j, const MapsLine& m, uint32_t process) {
  const uint64_t size = m.end - m.begin;
  for (uint32_t i = 0; i < j.pieces && i < stream::kMostPieces; i++) {
    SharedPiece& p = j.piece[i];
    if (p.inode != number_of(m) || p.offset >= m.offset + size || m.offset >= p.offset + p.size)
      continue;
    return p.offset == m.offset && p.size == size ? &p : nullptr;
  }
  if (j.pieces >= stream::kMostPieces || j.used + size > stream::kSharedSize) return nullptr;
  SharedPiece& p = j.piece[j.pieces++];
  p = {number_of(m), m.offset, size, j.used, process};
  j.used += size + kPage;  // adjacent ones would be one mapping
  return &p;
}

CheckpointRefusal note_mapping(Thread* t, Joint& j, const MapsLine& m) {
  const auto self = static_cast<uint32_t>(t->proc->shared - control()->processes);
  const OneAtATime one(j.lock);
  const SharedPiece* p = mapped_count < kMostMapped ? piece_of(j, m, self) : nullptr;
  if (!p) return CheckpointRefusal::kTooMuchShared;
  const uint64_t slot = stream::shared_copy_offset(static_cast<uint32_t>(t->proc->version), j.slot);
  bool mine = p->owner == self;
  for (int i = 0; i < mapped_count; i++) mine &= mapped[i].copy != slot + p->place;
  const int64_t segment = is_segment(m) ? static_cast<int64_t>(m.inode) : -1;
  mapped[mapped_count++] = {m.begin,         m.end - m.begin, protection(m),
                            slot + p->place, segment,         mine};
  return CheckpointRefusal::kNone;
}

CheckpointRefusal note_mappings(Thread* t, Joint& j) {
  FileInfo arena;
  mapped_count = 0;
  const long maps = sys(__NR_openat, -100, "/proc/self/maps", 02000000);
  if (is_error(maps)) return CheckpointRefusal::kSharesMemory;
  auto why = CheckpointRefusal::kSharesMemory;
  if (look_at(static_cast<int>(control()->settings.reserved_fd), arena)) {
    why = CheckpointRefusal::kNone;
    LineReader reader{static_cast<int>(maps), {}};
    for (const char* line; why == CheckpointRefusal::kNone && (line = reader.next());) {
      MapsLine m;
      const Kind kind = parse(line, m) ? kind_of(m, arena) : Kind::kNone;
      if (kind == Kind::kForeign) why = CheckpointRefusal::kSharesMemory;
      if (kind == Kind::kCopied) why = note_mapping(t, j, m);
      if (kind == Kind::kFile) why = note_files(t, j, m);
    }
  }
  sys(__NR_close, maps);
  return why;
}

// Pages of such memory may be swapped out: mincore(2) does not tell these from such as were never
// written.
bool may_be_swapped() {
  struct {
    int64_t uptime;
    uint64_t loads[3], ram[4], total_swap, free_swap;
    uint64_t rest[8];
  } info;
  return is_error(sys(__NR_sysinfo, &info)) || info.total_swap != info.free_swap;
}

bool copy_pages(Thread* t, uint64_t from, uint64_t bytes, uint64_t to) {
  if (joint(t).written.fetch_add(bytes) + bytes > stream::kMostShared) return false;
  while (bytes) {
    const long n = sys(__NR_pwrite64, control()->settings.reserved_fd, from, bytes, to);
    count_own(t, __NR_pwrite64, n);
    if (n <= 0) return false;
    from += n, to += n, bytes -= n;
  }
  return true;
}

// The copy is all zero where nothing is written.
bool copy_mapped(Thread* t, const Mapped& m, bool all) {
  constexpr uint64_t kAtOnce = 1024;  // pages
  uint8_t there[kAtOnce];
  const uint64_t pages = m.size / kPage;
  if (all) return copy_pages(t, m.address, m.size, m.copy);
  for (uint64_t first = 0; first < pages; first += kAtOnce) {
    const uint64_t n = pages - first < kAtOnce ? pages - first : kAtOnce;
    if (is_error(sys(__NR_mincore, m.address + first * kPage, n * kPage, there)))
      memset(there, 1, n);  // a seccomp profile that does not have it
    for (uint64_t i = 0, run; i < n; i += run) {
      for (run = 1; i + run < n && ((there[i] ^ there[i + run]) & 1) == 0; run++) {
      }
      const uint64_t at = (first + i) * kPage;
      if ((there[i] & 1) && !copy_pages(t, m.address + at, run * kPage, m.copy + at)) return false;
    }
  }
  return true;
}

bool copy_all(Thread* t) {
  const bool all = may_be_swapped();
  for (int i = 0; i < mapped_count; i++)
    if (mapped[i].mine && !copy_mapped(t, mapped[i], all)) return false;
  return true;
}

void take(Joint& j) {
  if (!take_files(j))
    call_off(j, CheckpointRefusal::kMappedFile);
  else if (j.taken.fetch_add(1) + 1 == j.expected)
    change(j, JointPhase::kTaking, JointPhase::kMaking);
  await_end_of(j, JointPhase::kTaking);
  leave_copies();
}

// All rest, and the memory has been copied.
bool gathered(Thread* t, Joint& j) {
  if (const auto why = note_mappings(t, j); why != CheckpointRefusal::kNone)
    call_off(j, why);
  else if (j.arrived.fetch_add(1) + 1 == j.expected)
    change(j, JointPhase::kGathering, JointPhase::kCopying);
  await_end_of(j, JointPhase::kGathering);
  if (!is(j, JointPhase::kCopying)) return false;
  if (file_size_is_limited() || !copy_all(t) || !copy_files(t, j))
    call_off(j, CheckpointRefusal::kTooMuchShared);
  else if (j.copied.fetch_add(1) + 1 == j.expected) {
    note_lock_numbers(t, j.slot);
    change(j, JointPhase::kCopying, j.files ? JointPhase::kTaking : JointPhase::kMaking);
  }
  await_end_of(j, JointPhase::kCopying);
  if (is(j, JointPhase::kTaking)) take(j);
  return is(j, JointPhase::kMaking);
}

bool map_copy(const Mapped& m) {
  return !is_error(raw6(__NR_mmap, m.address, m.size, m.prot, kShared | kFixed,
                        control()->settings.reserved_fd, m.copy));
}

CheckpointRefusal why_not(Thread* t) {
  return may_copy(t) ? why_no_copy(t) : CheckpointRefusal::kNotTogether;
}

}  // namespace

bool joined(Thread* t) {
  Word& word = t->proc->shared->look_up[static_cast<int>(t->proc->version)];
  if (!(word.fetch_and(~stream::kWantJoint) & stream::kWantJoint)) return false;
  Joint& j = joint(t);
  const uint64_t started = tsc();
  if (const auto why = why_not(t); why != CheckpointRefusal::kNone) {
    call_off(j, why);
    return false;
  }
  if (!stop_others(t)) {
    call_off(j, CheckpointRefusal::kThreadsRun);
    return false;
  }
  const bool copy = gathered(t, j) && copy_process(t, started, j.round, j.slot);
  if (!copy) {
    leave_files();
    release_others(t);
  }
  return copy;
}

bool replace_segments(const stream::Sleeper& s) {
  for (int i = 0; s.round && i < mapped_count; i++) {
    if (mapped[i].segment < 0) continue;
    if (!map_copy(mapped[i])) return false;
    replace_segment(static_cast<int32_t>(mapped[i].segment), mapped[i].address);
  }
  return true;
}

void map_shared_copies(Thread* t, const stream::Sleeper& s) {
  if (!s.round) return;
  for (int i = 0; i < mapped_count; i++)
    if (map_copy(mapped[i]))
      note_replaced_segment(t, mapped[i].address, mapped[i].size, mapped[i].copy);
    else
      leave_as_follower(t, "shared memory could not be mapped");
  t->proc->shared->shared_slot[static_cast<int>(t->proc->version)].store(s.slot + 1);
  begin_lock_epoch(t);
}

}  // namespace mx::agent
