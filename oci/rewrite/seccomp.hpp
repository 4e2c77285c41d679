// The container's seccomp profile: widened for the monitor, compiled for the versions.
#pragma once

#include <string>
#include <vector>

#include "oci/spec/document.hpp"

namespace mx::oci {

// System calls the monitor and the steps between its fork and exec need.
const std::vector<std::string>& monitor_calls();

// A copy of linux.seccomp which allows monitor_calls() without conditions and says what it said
// about every other call. The names are first taken out of every rule, since engines write explicit
// ERRNO rules for some of them.
Json widen_profile(const Json& profile);

// The profile as a filter program (struct sock_filter, native byte order), by libseccomp.
// `unknown_is_enosys` adds runc's rule: a call younger than every call the profile names gives
// ENOSYS instead of an ERRNO default. Throws Failure for what cannot be carried (SCMP_ACT_NOTIFY needs
// the engine's agent) or is malformed.
std::string compile_profile(const Json& profile, bool unknown_is_enosys);

// A version's: the same, but two calls are let through from mx's code (and only from there).
// pidfd_getfd: descriptors change hands by it at a failover. The kernel asks for the right to ptrace
// the other process, as it does for any caller. ptrace(PTRACE_TRACEME): the last step before execve;
// it gives the caller no right over anybody.
std::string with_takeover(const std::string& program);

// SECCOMP_FILTER_FLAG_* for the profile's flags.
unsigned profile_flags(const Json& profile);

}  // namespace mx::oci
