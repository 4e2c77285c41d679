#include "shim/agent/segments.h"

#include "shim/agent/checkpoint.h"
#include "shim/agent/failover.h"
#include "shim/agent/one_at_a_time.h"
#include "shim/agent/shared_locks.h"

namespace mx::agent {

using stream::OwnSegment;

namespace {

constexpr uint64_t kRemove = 0, kStat = 2;  // IPC_RMID, IPC_STAT

// struct shmid_ds of the kernel.
struct SegmentInfo {
  uint8_t permissions[48];
  uint64_t size, attached, detached, changed;
  int32_t creator, last;
  uint8_t rest[24];
};
static_assert(sizeof(SegmentInfo) == 112);

// What this process has attached. `replaced`: there is other memory in its place.
struct Attached {
  uint64_t address, size;
  int32_t own;
  uint32_t replaced;
};
constexpr int kMostAttached = 64;
Attached attached[kMostAttached];
int attached_count;
Word busy;

OwnSegment* segments_of(const Thread* t) {
  return control()->segments[static_cast<int>(t->proc->version)];
}

OwnSegment* find(const Thread* t, int32_t id) {
  for (uint32_t i = 0; i < stream::kMostSegments; i++)
    if (OwnSegment& s = segments_of(t)[i]; s.id.load() == static_cast<uint32_t>(id) + 1) return &s;
  return nullptr;
}

bool exists(int32_t own, SegmentInfo& info) {
  return !is_error(sys(__NR_shmctl, own, kStat, &info));
}
bool is_gone(int32_t own) {
  SegmentInfo info;
  const long ret = sys(__NR_shmctl, own, kStat, &info);
  constexpr long kEidrm = -43;
  return ret == kEinval || ret == kEidrm;
}

int32_t own_segment(const Thread* t, int32_t id) {
  const OwnSegment* s = find(t, id);
  return s ? static_cast<int32_t>(s->own.load()) : id;
}

void forget_removed(const Thread* t) {
  for (uint32_t i = 0; i < stream::kMostSegments; i++)
    if (OwnSegment& s = segments_of(t)[i];
        s.id.load() && is_gone(static_cast<int32_t>(s.own.load())))
      s.id.store(0);
}

bool put(const Thread* t, int32_t id, int32_t own) {
  constexpr uint32_t kBusy = ~uint32_t{0};
  for (uint32_t i = 0; i < stream::kMostSegments; i++) {
    OwnSegment& s = segments_of(t)[i];
    uint32_t none = 0;
    if (!s.id.compare_exchange_strong(none, kBusy)) continue;
    s.own.store(static_cast<uint32_t>(own));
    s.place.store(0);
    s.id.store(static_cast<uint32_t>(id) + 1);
    return true;
  }
  return false;
}

bool note(const Thread* t, int32_t id, int32_t own) {
  if (put(t, id, own)) return true;
  forget_removed(t);
  return put(t, id, own);
}

// Another process of this version has yet to do what its leader's has done.
bool others_are_behind(const Thread* t) {
  for (const stream::Lane& l : stream::lanes_taken(*control()))
    if (l.in_use.load() == 1 && &control()->processes[l.process] != t->proc->shared &&
        l.head.load() != l.tail.load())
      return true;
  return false;
}

// A process of the leader's has made it, and may have removed it since; the follower's of that,
// which has not come as far, gives the id a meaning here.
bool is_to_come(const Thread* t, int32_t id) {
  const int leader = 1 - static_cast<int>(t->proc->version);
  SegmentInfo info;
  if (t->role != Role::kFollower || id < 0 || !others_are_behind(t)) return false;
  if (is_gone(id)) return true;
  if (!exists(id, info)) return false;
  for (const Process& p : stream::processes_taken(*control()))
    if (p.real_pid[leader] == info.creator) return true;
  return false;
}

void await_segment(Thread* t, int32_t id) {
  constexpr int kLongestMs = 1000;
  Word never{0};
  for (int waited = 0;
       waited < kLongestMs && !find(t, id) && is_to_come(t, id) && !follower_must_end(t); waited++)
    futex_wait(&never, 0, 1);
}

// The memory that others have in the segment's place: there as long as they are.
bool is_there(const Thread* t, uint32_t slot) {
  const int v = static_cast<int>(t->proc->version);
  for (const Process& p : stream::processes_taken(*control()))
    if (p.alive[v].load() && p.shared_slot[v].load() == slot + 1) return true;
  return false;
}

long map_copy(const Call& c, uint64_t place, uint64_t size) {
  constexpr uint64_t kReadOnly = 010000, kRound = 020000, kReplace = 040000;
  constexpr uint64_t kRead = 1, kReadWrite = 3, kShared = 1, kFixed = 0x10,
                     kFixedNoreplace = 0x100000;
  uint64_t at = c.args[1];
  if (c.args[2] & kRound) at &= ~(stream::kPage - 1);
  const uint64_t where = !at ? 0 : (c.args[2] & kReplace) ? kFixed : kFixedNoreplace;
  return raw6(__NR_mmap, at, size, (c.args[2] & kReadOnly) ? kRead : kReadWrite, kShared | where,
              control()->settings.reserved_fd, place);
}

// Of a segment that nobody had attached when the checkpoint was made nothing is left.
Attached attach_copy(Call& c, const OwnSegment& s) {
  Thread* t = c.t;
  const uint64_t place = s.place.load(), size = s.size.load();
  const auto version = static_cast<uint32_t>(t->proc->version);
  const auto slot =
      static_cast<uint32_t>((place - stream::shared_copy_offset(version, 0)) / stream::kSharedSize);
  const auto own = static_cast<int32_t>(s.own.load());
  if (size && is_there(t, slot)) {
    t->proc->shared->shared_slot[version].store(slot + 1);
    return {static_cast<uint64_t>(map_copy(c, place, size)), size, own, 1};
  }
  if (t->role == Role::kFollower)
    leave_as_follower(t, "a System V segment that it had before a recovery is not there any more");
  return {static_cast<uint64_t>(kEnomem), 0, own, 1};
}

Attached attach(Call& c, int32_t own) {
  constexpr uint64_t kMask = stream::kPage - 1;
  c.exec[0] = static_cast<uint64_t>(int64_t{own});
  const auto at = static_cast<uint64_t>(run_local(c));
  SegmentInfo info;
  return {at, exists(own, info) ? (info.size + kMask) & ~kMask : 0, own, 0};
}

void note_attached(Thread* t, const Attached& now) {
  const OneAtATime one(busy);
  if (attached_count == kMostAttached || !now.size) return forbid_checkpoints(t);
  attached[attached_count++] = now;
  note_shared_memory(t, now.address, now.size);
}

}  // namespace

void note_segment(Call& c) {
  if (c.ret < 0) return;
  const auto id = static_cast<int32_t>(c.ret);
  if (OwnSegment* s = find(c.t, id); s && is_gone(static_cast<int32_t>(s->own.load())))
    s->id.store(0);  // another one of that id
  if (find(c.t, id)) return;
  long own = id;
  if (c.t->role == Role::kFollower)
    own = sys(__NR_shmget, 0 /*IPC_PRIVATE*/, c.args[1], (c.args[2] & 0777) | 01000);
  if (own < 0 || note(c.t, id, static_cast<int32_t>(own)) || own == id) return;
  sys(__NR_shmctl, own, kRemove, 0);
  leave_as_follower(c.t, "more System V segments than mx can keep");
}

long run_shmget(Call& c) {
  const long ret = run_event(c);
  if (c.t->role == Role::kLeader) note_segment(c);
  return ret;
}

long run_shmat(Call& c) {
  share_memory(c.t);
  const auto id = static_cast<int32_t>(c.args[0]);
  await_segment(c.t, id);
  const OwnSegment* s = find(c.t, id);
  if (!s && note(c.t, id, id)) s = find(c.t, id);
  const Attached now = s && s->place.load()
                           ? attach_copy(c, *s)
                           : attach(c, s ? static_cast<int32_t>(s->own.load()) : id);
  c.ret = static_cast<long>(now.address);
  if (!is_error(c.ret)) note_attached(c.t, now);
  return c.ret;
}

long run_shmdt(Call& c) {
  const OneAtATime one(busy);
  for (int i = 0; i < attached_count; i++) {
    const Attached a = attached[i];
    if (a.address != c.args[0]) continue;
    c.ret = a.replaced ? sys(__NR_munmap, a.address, a.size) : run_local(c);
    if (c.ret == 0) attached[i] = attached[--attached_count];
    return c.ret;
  }
  return run_local(c);
}

void prepare_shmctl(Call& c) {
  c.exec[0] = static_cast<uint64_t>(int64_t{own_segment(c.t, static_cast<int32_t>(c.args[0]))});
}

long run_shmctl(Call& c) {
  const long ret = run_event(c);
  if (c.t->role == Role::kFollower && c.consumed && ret >= 0 && c.args[1] == kRemove) {
    const int32_t own = own_segment(c.t, static_cast<int32_t>(c.args[0]));
    if (own != static_cast<int32_t>(c.args[0])) sys(__NR_shmctl, own, kRemove, 0);
  }
  return ret;
}

bool has_segments() { return attached_count != 0; }

void replace_segment(int32_t own, uint64_t address) {
  for (int i = 0; i < attached_count; i++)
    if (attached[i].own == own && attached[i].address == address) attached[i].replaced = 1;
}

void note_replaced_segment(const Thread* t, uint64_t address, uint64_t size, uint64_t place) {
  for (int i = 0; i < attached_count; i++)
    for (uint32_t k = 0;
         attached[i].replaced && attached[i].address == address && k < stream::kMostSegments; k++) {
      OwnSegment& s = segments_of(t)[k];
      if (s.own.load() != static_cast<uint32_t>(attached[i].own)) continue;
      s.size.store(size == attached[i].size ? size : 0);
      s.place.store(place);
    }
}

void forget_segments(uint64_t address, uint64_t length) {
  const OneAtATime one(busy);
  for (int i = attached_count - 1; i >= 0; i--)
    if (attached[i].address < address + length && address < attached[i].address + attached[i].size)
      attached[i] = attached[--attached_count];
}

}  // namespace mx::agent
