// Looks: calls by which a version only finds out about a file by its name (stat, access, readlink,
// …), or opens it to read. An update often looks at one file more, or less, than the version
// before. What the leader alone looks at is passed over, with all that it does to such a
// descriptor; what the follower alone looks at, it looks at by itself, on a descriptor of its own.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// Whether open flags neither write nor create.
bool read_only(uint64_t flags);

/// Opens a file to read, or goes on with a regular file: nobody outside sees anything of it.
bool looks_only(const Call& c);

/// What the call looks for, to tell it from other looks.
struct Look {
  bool is_one;      ///< else nothing below
  uint64_t digest;  ///< of the name
};
Look look_of(const Call& c);

/// Descriptors that the leader alone has opened, of events that are not skipped yet.
struct OnTheWay {
  int fds[8];
  int count;
};
/// Of the leader's event `offset` bytes behind the cursor: it opens a file to read, or does
/// something to a file that it alone has opened so, or reads on in a regular file. `way` is brought
/// up to date.
bool is_leaders_look(Thread* t, uint64_t offset, const EventHeader& h, OnTheWay& way);
/// … and is skipped.
void skip_leaders_look(Thread* t, const EventHeader& h);

/// Follower: it may look for itself: at a file or folder, or at nothing, and not below a descriptor
/// of the leader's.
bool may_look_alone(const Call& c, const Look& look);
/// Opens it, at a number that no descriptor of the leader's has.
long open_alone(Call& c);
/// The same for a descriptor of this version's: moves `own` there, as a private one.
long keep_apart(Thread* t, int own, bool cloexec);

}  // namespace mx::agent
