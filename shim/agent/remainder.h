// A blocking write that ends before all is written, because its thread was kicked or its process
// killed. Natively it would have gone on: so whoever leads then, this process or the one that takes
// over, writes the rest, and the program sees one call. How much has gone stands in Call::done, and
// in Flight::carried while the thread parks.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Calls whose first bytes can be left out when they are made again.
constexpr bool divisible(long nr) {
  return nr == __NR_write || nr == __NR_pwrite64 || nr == __NR_writev || nr == __NR_pwritev ||
         nr == __NR_sendto || nr == __NR_sendmsg;
}

/// Leader or alone: the kernel has returned `ret` > 0 to the rest of c. True if that was only a
/// part because of a kick: then it is counted, and the call shall be made again without what has
/// gone, after park_if_failing().
bool goes_on(Call& c, long ret);

/// Arguments of write, writev and their like without the c.done bytes at the beginning. False:
/// nothing is left.
bool leave_out(const Call& c, long nr, const uint64_t args[6], uint64_t (&to)[6]);
/// The same for a message to be sent; control data went with its first byte.
bool leave_out(const Call& c, Msghdr& m);

/// The result that the program sees when the kernel has answered `ret` to the rest.
inline long with_done(const Call& c, long ret) {
  if (!c.done) return ret;
  return static_cast<long>(c.done) + (ret > 0 ? ret : 0);
}

}  // namespace mx::agent
