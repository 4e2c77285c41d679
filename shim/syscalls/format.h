// A system call as a line for people, in the manner of strace: for reports (`last_calls`) and
// traces.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "shim/syscalls/syscalls.h"

namespace mx::sys {

/// Reads `length` bytes of the traced program's memory at `address` into `buffer`. False if any
/// byte cannot be read.
using Reader = std::function<bool(std::uint64_t address, void* buffer, std::size_t length)>;

/// A Reader that can read nothing: every address is printed as a number.
bool read_nothing(std::uint64_t address, void* buffer, std::size_t length);

/// The call with its result, for example
///     openat(AT_FDCWD, "/etc/passwd", O_RDONLY|O_CLOEXEC, 0) = -1 ENOENT (No such file or
///     directory)
/// `ret` is what the kernel returned (errors are -errno). Strings and buffers are cut after 32
/// bytes, arrays after 4 elements, so that a line stays a line. A number that is not listed prints
/// as unknown(arguments in base 16).
std::string format_call(const Desc& desc, const std::uint64_t args[kMaxArgs], std::int64_t ret,
                        const Reader& reader);

/// A call that has not returned: what the kernel will write is printed as an address, the result as
/// a question mark.
std::string format_pending(const Desc& desc, const std::uint64_t args[kMaxArgs],
                           const Reader& reader);

/// "-1 ENOENT (No such file or directory)", "3", "0x7f0000001000", "?" — by what the call returns.
std::string format_result(const Desc& desc, std::int64_t ret);

}  // namespace mx::sys
