// With root trees of their own (containers): what in the file system is each version's own, and
// what is shared.
//
// A version's own is what stands on its root, or on a mount that the other root does not have at
// that place (regular files, folders, links, and names that are not there), until the program has
// written it. What both roots have mounted (volumes, /proc, /dev, tmpfs) is shared: the leader
// looks, the follower is told.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

enum class Owner : uint8_t {
  kUnknown,  ///< the kernel does not tell: use the rule for equal roots
  kOwn,
  kShared,
};

/// Who owns what argument `path_arg` of a call names; `nofollow`: a link itself, not what it leads
/// to. Waits for the leader's next event where only that can tell.
Owner owner_of(Call& c, int path_arg, bool nofollow);
/// The descriptor that a relative name in argument
/// `path_arg` starts from, AT_FDCWD if the call has none.
int folder_of(const Call& c, int path_arg);
/// True if the call looks at a link itself.
bool looks_at_link(const Call& c);

/// After a successful call that changes names or contents: notes the names that are the leader's
/// from now on.
void note_changes(Call& c);
/// What is changed without any content (modes, owners, times, folders, links) is changed in both
/// roots, so that both have it: the follower's part, after it has taken the leader's result.
void mirror_change(Call& c);

}  // namespace mx::agent
