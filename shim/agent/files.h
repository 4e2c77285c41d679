// Files: which are private (each version reads its own image), opening, mapping.
#pragma once
#include "shim/agent/call.h"

namespace mx::agent {

/// True if looking at the path (argument path_arg, relative to its directory descriptor) concerns
/// this version's own image. With equal roots: executables, libraries, what belongs to the program;
/// with different ones see own_root.h. /proc/self/maps and the like in both cases.
bool private_path(Call& c, int path_arg);
/// A call of treatment kFile other than open.
long run_file(Call& c);
/// A path below /proc/PID of this process, or of another
/// one of the program, gets this version's id in exec[].
void own_proc_path(Call& c, int path_arg);
long run_open(Call& c);
long run_mkdir(Call& c);
long run_mmap(Call& c);
long run_mprotect(Call& c);
long run_madvise(Call& c);
void localise_sendfile(Call& c);
long run_chdir(Call& c);
long run_fchdir(Call& c);
long perform_fchdir(Call& c);
void enter_folder(Call& c);
/// True if the open file may be written through: a shared mapping of it is then a copy.
bool shared_writable(int fd);
/// After a failover: turns this version's copies of shared writable mappings into real ones.

}  // namespace mx::agent
