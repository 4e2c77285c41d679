// The container's seccomp profile: widened for the monitor, compiled for the versions.
#pragma once

#include <string>
#include <vector>

#include "oci/spec/document.hpp"

namespace mx::oci {

// System calls the monitor and the steps between its fork and exec need.
const std::vector<std::string>& monitor_calls();

// A copy of linux.seccomp for the monitor: it allows monitor_calls() without conditions (the names
// are first taken out of every rule, since engines write explicit ERRNO rules for some of them),
// and of the calls that any program may need those that the profile does not name. clone3, unless
// allowed, gives ENOSYS, and so does what the profile is too old to know, as under runc (see below)
// though the profile names younger calls now: glibc makes threads by clone then. About every other
// call it says what it said. A version has the profile itself on top.
Json widen_profile(const Json& profile);

// The profile as a filter program (struct sock_filter, native byte order), by libseccomp.
// `unknown_is_enosys` adds runc's rule: a call younger than every call the profile names gives
// ENOSYS instead of an ERRNO default. Throws Failure for what cannot be carried (SCMP_ACT_NOTIFY
// needs the engine's agent) or is malformed.
std::string compile_profile(const Json& profile, bool unknown_is_enosys);

// A version's: the same, but two calls are let through from mx's code (and only from there).
// pidfd_getfd: descriptors change hands by it at a failover. The kernel asks for the right to
// ptrace the other process, as it does for any caller. ptrace(PTRACE_TRACEME): the last step before
// execve; it gives the caller no right over anybody.
std::string with_takeover(const std::string& program);

// SECCOMP_FILTER_FLAG_* for the profile's flags.
unsigned profile_flags(const Json& profile);

}  // namespace mx::oci
