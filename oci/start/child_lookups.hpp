// Looking things up in the version's own root, without allocation (used between fork and exec).
#pragma once

#include <sys/types.h>

namespace mx::start {

inline constexpr unsigned kMaxPath = 4096;

// Finds `name` as execvp would with PATH `path` and copies the full path to `found`. Returns 0,
// ENOENT, or EACCES if only files that cannot be executed were found.
int find_program(const char* name, const char* path, char (&found)[kMaxPath]);

// Writes "HOME=…" from /etc/passwd's entry of `uid`, "HOME=/" without one (as runc and crun do).
void find_home(uid_t uid, char (&variable)[kMaxPath]);

}  // namespace mx::start
