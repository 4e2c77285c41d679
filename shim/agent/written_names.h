// Which names on the versions' own roots the program has changed. Kept for each version apart: a
// follower that lags behind must see them as they were at its place. The tables stand in the arena,
// for all processes of the program.
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

/// The file `path`, and whatever is below it, was written: the leader's counts.
void note_written_file(Version v, const char* path);
/// Something was made or removed in the folder `path`: its listing is the leader's.
void note_written_listing(Version v, const char* path);
/// False until the version has written anything.
bool any_written(Version v);
/// True if `path`, what it lies in, or its listing was written; or if there is no telling any more.
bool written(Version v, const char* path);
/// The same without the listing: `path` or what it lies in is the leader's alone.
bool inside_written(Version v, const char* path);

}  // namespace mx::agent
