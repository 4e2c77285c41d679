#include "shim/agent/remainder.h"

#include "shim/agent/marshal.h"
#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

constexpr uint64_t kMaxPieces = 1024;  // the kernel's limit
static_assert(kMaxPieces * sizeof(Iovec) <= stream::kStageBytes);

uint64_t asked(const Call& c) {
  int64_t n = 0;
  guarded([&] { n = handed_over(c); });
  return n > 0 ? static_cast<uint64_t>(n) : 0;
}

// The pieces after the first c.done bytes, in the lane's staging area, which a call that writes
// does not use.
bool cut_pieces(const Call& c, uint64_t iov, uint64_t count, uint64_t& to, uint64_t& left) {
  if (!c.t->lane || count > kMaxPieces) return false;
  auto* pieces = reinterpret_cast<Iovec*>(staging(c.t->lane_index)->data);
  if (!copy_guarded(pieces, reinterpret_cast<void*>(iov), count * sizeof(Iovec))) return false;
  uint64_t skip = c.done, first = 0;
  while (first < count && pieces[first].len <= skip) skip -= pieces[first++].len;
  if (first == count) return false;
  pieces[first].base += skip;
  pieces[first].len -= skip;
  to = reinterpret_cast<uint64_t>(pieces + first);
  left = count - first;
  return true;
}

}  // namespace

bool goes_on(Call& c, long ret) {
  Thread* t = c.t;
  if (!t->kicked || t->pending || !t->lane || !divisible(c.nr)) return false;
  if (c.done + ret >= asked(c)) return false;
  c.done += ret;
  if (t->role == Role::kLeader) {
    stream::Flight& f = t->lane->flight;
    f.carried = c.done;
    f.io[stream::kWritten] = t->lane->io[stream::kWritten];
  }
  return true;
}

bool leave_out(const Call& c, long nr, const uint64_t args[6], uint64_t (&to)[6]) {
  for (int i = 0; i < 6; i++) to[i] = args[i];
  if (nr == __NR_writev || nr == __NR_pwritev) {
    if (!cut_pieces(c, args[1], args[2], to[1], to[2])) return false;
  } else {
    if (c.done >= args[2]) return false;
    to[1] += c.done;
    to[2] -= c.done;
  }
  if (nr == __NR_pwrite64 || nr == __NR_pwritev) to[3] += c.done;
  return true;
}

bool leave_out(const Call& c, Msghdr& m) {
  m.control = m.controllen = 0;
  return cut_pieces(c, m.iov, m.iovlen, m.iov, m.iovlen);
}

}  // namespace mx::agent
