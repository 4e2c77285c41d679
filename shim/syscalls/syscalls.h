// Every x86-64 system call of Linux 6.12: how mx treats it, and what its arguments are.
//
// The data is generated from syscalls.table. This header is used by the agent too, so it is
// freestanding: no libc, no containers, no pointers inside the data (nothing to relocate),
// everything constexpr.
#pragma once

#include <cstdint>

#include "shim/syscalls/types.h"

namespace mx::sys {

/// Numbers, as SYS_* of <sys/syscall.h>: kRead, kRtSigaction, kExitGroup …
enum Nr : long {
#include "mx/syscalls/numbers.inc"
};

inline constexpr int kMax = 462;  ///< the highest number that is listed

namespace detail {

inline constexpr Desc kUnknown = {
    "unknown", 0, 0xffff, Treatment::kRefuse, RetKind::kLong, 0, -1, -1, 0, 0, 0, {}};

inline constexpr Desc kTable[] = {
#include "mx/syscalls/descriptions.inc"
};
inline constexpr int kCount = sizeof(kTable) / sizeof(kTable[0]);

struct Index {
  std::uint16_t at[kMax + 1];
};

/// Position in kTable of each number; kCount for a number that is not listed.
constexpr Index make_index() {
  Index index{};
  for (std::uint16_t& position : index.at) position = kCount;
  for (int i = 0; i < kCount; ++i) index.at[kTable[i].nr] = static_cast<std::uint16_t>(i);
  return index;
}
inline constexpr Index kIndex = make_index();

}  // namespace detail

/// Description of system call `nr`. A number that is not listed (gaps, x32, newer kernels, negative
/// ones) gives an entry named "unknown" that is refused; its `nr` field is 0xffff.
constexpr const Desc& describe(long nr) {
  if (nr < 0 || nr > kMax) return detail::kUnknown;
  const int position = detail::kIndex.at[nr];
  return position == detail::kCount ? detail::kUnknown : detail::kTable[position];
}

constexpr const char* name(const Desc& desc) { return desc.name; }

/// True if all bits of `attributes` are set.
constexpr bool has(const Desc& desc, std::uint32_t attributes) {
  return (desc.attrs & attributes) == attributes;
}

/// True for kinds whose register is the value itself, not an address.
constexpr bool is_value(ArgKind kind) { return kind >= ArgKind::kInt && kind <= ArgKind::kSig; }

/// True for kinds that point to memory or to a string whose extent is known here.
constexpr bool is_memory(ArgKind kind) { return kind >= ArgKind::kPath; }

/// How many low bits of the register the kernel looks at; a compiler leaves garbage in the others.
constexpr int register_bits(ArgKind kind) {
  switch (kind) {
    case ArgKind::kMode:
      return 16;
    case ArgKind::kInt:
    case ArgKind::kUint:
    case ArgKind::kFlags:
    case ArgKind::kCmd:
    case ArgKind::kFd:
    case ArgKind::kDirFd:
    case ArgKind::kPid:
    case ArgKind::kSig:
      return 32;
    default:
      return 64;
  }
}

/// Argument `i` as the kernel sees it: unused upper bits cleared (not sign-extended).
constexpr std::uint64_t masked(const Desc& desc, int i, const std::uint64_t* args) {
  const int bits = register_bits(desc.args[i].kind);
  return bits == 64 ? args[i] : args[i] & ((std::uint64_t{1} << bits) - 1);
}

/// True if the kernel looks at the mode of open(2) and its like: flags have O_CREAT or O_TMPFILE.
constexpr bool mode_counts(std::uint64_t open_flags) {
  constexpr std::uint64_t kCreat = 0100, kTmpfileBit = 020000000;
  return (open_flags & (kCreat | kTmpfileBit)) != 0;
}

/// What both versions must agree on for register argument `i`: the masked value; for memory that is
/// compared or written, 1 if there is an address and 0 for NULL; 0 for what is not compared and for
/// a mode that does not count. The contents of memory are compared apart (in_mask, Arg::compare,
/// bytes_in()).
constexpr std::uint64_t compared_value(const Desc& desc, int i, const std::uint64_t* args) {
  const Arg& arg = desc.args[i];
  if (is_memory(arg.kind)) return args[i] != 0;
  if (!arg.compare) return 0;
  const bool opens = desc.nr == kOpen || desc.nr == kOpenat || desc.nr == kMqOpen;
  if (opens && arg.kind == ArgKind::kMode && !mode_counts(args[i - 1])) return 0;
  constexpr std::uint64_t kLargeFile = 0100000;  // musl sets it; on x86-64 it says nothing
  if (opens && arg.kind == ArgKind::kFlags) return masked(desc, i, args) & ~kLargeFile;
  // Where ids are written is each version's own; what
  // musl adds (CLONE_DETACHED) the kernel ignores.
  constexpr std::uint64_t kIdsOfClone = 0x1f00000;
  if (desc.nr == kClone && i == 0) return masked(desc, i, args) & ~kIdsOfClone;
  return masked(desc, i, args);
}

/// True if kPid argument `i` names a process, thread or group that has a pair in the other version.
/// False where a sibling argument says that it is a user id (getpriority, ioprio_get and their
/// like), a descriptor, or nothing (waitid). 0 and negative ids keep their own meaning (self,
/// group, all): the caller looks at these.
constexpr bool names_process(const Desc& desc, int i, const std::uint64_t* args) {
  if (desc.args[i].kind != ArgKind::kPid) return false;
  const std::uint32_t which = static_cast<std::uint32_t>(args[0]);
  switch (desc.nr) {
    case kGetpriority:
    case kSetpriority:
      return which <= 1;  // PRIO_PROCESS, PRIO_PGRP; not PRIO_USER
    case kIoprioGet:
    case kIoprioSet:
    case kWaitid:
      return which == 1 || which == 2;  // IOPRIO_WHO_PROCESS, _PGRP; P_PID, P_PGID
    default:
      return true;
  }
}

/// True if the kernel has written argument `i` of a call that returned `ret`.
constexpr bool is_written(const Arg& arg, std::int64_t ret) {
  switch (arg.written) {
    case Written::kSuccess:
      return ret >= 0;
    case Written::kPositive:
      return ret > 0;
    case Written::kAlways:
      return true;
    case Written::kError:
      return ret < 0;
  }
  return false;
}

namespace detail {

constexpr std::uint64_t min(std::uint64_t a, std::uint64_t b) { return a < b ? a : b; }

/// The argument that says how large another one is. A negative int counts as nothing.
constexpr std::uint64_t count(const Desc& desc, int i, const std::uint64_t* args) {
  const std::uint64_t value = masked(desc, i, args);
  return desc.args[i].kind == ArgKind::kInt && value > 0x7fffffff ? 0 : value;
}

/// `value`, at most the argument that names the capacity.
constexpr std::uint64_t capped(const Desc& desc, const Arg& arg, const std::uint64_t* args,
                               std::uint64_t value) {
  return arg.size_arg == kNoArg ? value : min(value, count(desc, arg.size_arg, args));
}

constexpr std::uint64_t by_argument(const Desc& desc, const Arg& arg, const std::uint64_t* args) {
  const std::uint64_t n = count(desc, arg.size_arg, args);
  switch (arg.rule) {
    case SizeRule::kArg:
      return n;
    case SizeRule::kArgTimes:
      return n * arg.size;
    case SizeRule::kArgPlus:
      return n + arg.size;
    default:  // kBits
      return (n + 63) / 64 * 8;
  }
}

}  // namespace detail

/// Address of the 32-bit word that decides the size of argument `i` (rules kValueAt and kSelf), or
/// 0 if no word does. Its value before the call is `before` below; after the call, `after`.
constexpr std::uint64_t size_word_address(const Desc& desc, int i, const std::uint64_t* args) {
  const Arg& arg = desc.args[i];
  if (arg.rule == SizeRule::kValueAt) return args[i] == 0 ? 0 : args[arg.size_arg];
  return arg.rule == SizeRule::kSelf ? args[i] : 0;
}

/// Bytes of memory argument `i` that the kernel reads: of kIn, kInOut and, for arrays of headers
/// (kIov…, kMsg…, kMmsg…), of the array itself. 0 for NULL, for strings, and for what is only
/// written. The caller bounds it: the program may pass any number.
constexpr std::uint64_t bytes_in(const Desc& desc, int i, const std::uint64_t* args,
                                 std::uint32_t before) {
  const Arg& arg = desc.args[i];
  if (args[i] == 0 || arg.kind < ArgKind::kIn || arg.kind == ArgKind::kOut ||
      arg.kind == ArgKind::kFdsOut)
    return 0;
  switch (arg.rule) {
    case SizeRule::kFixed:
      return arg.size;
    case SizeRule::kArg:
    case SizeRule::kArgTimes:
    case SizeRule::kArgPlus:
    case SizeRule::kBits:
      return detail::by_argument(desc, arg, args);
    case SizeRule::kValueAt:
      return before;
    case SizeRule::kSelf:
      return detail::capped(desc, arg, args, std::uint64_t{before} + arg.size);
    default:
      return 0;
  }
}

/// Bytes of memory argument `i` that hold results after a call that returned `ret`: what the
/// follower must get. For kIovOut the bytes in all buffers together; for kMsgOut and kMmsgOut those
/// of the headers alone. 0 for NULL and for results with which the kernel writes nothing.
/// A follower takes the smaller of the bytes the event holds and its own bytes_out(): its buffer
/// may be smaller than the leader's.
constexpr std::uint64_t bytes_out(const Desc& desc, int i, const std::uint64_t* args,
                                  std::int64_t ret, std::uint32_t before, std::uint32_t after) {
  const Arg& arg = desc.args[i];
  if (args[i] == 0 || (desc.out_mask >> i & 1) == 0 || !is_written(arg, ret)) return 0;
  const std::uint64_t result = ret < 0 ? 0 : static_cast<std::uint64_t>(ret);
  if (arg.kind == ArgKind::kIovOut) return result;
  switch (arg.rule) {
    case SizeRule::kNone:
      return 0;
    case SizeRule::kFixed:
      return arg.size;
    case SizeRule::kArg:
    case SizeRule::kArgTimes:
    case SizeRule::kArgPlus:
    case SizeRule::kBits:
      return detail::by_argument(desc, arg, args);
    case SizeRule::kRet:
      return detail::capped(desc, arg, args, result);
    case SizeRule::kRetTimes:
      return detail::capped(desc, arg, args, result) * arg.size;
    case SizeRule::kRetPlus:
      return detail::capped(desc, arg, args, result) + arg.size;
    case SizeRule::kValueAt:
      return detail::min(before, after);
    case SizeRule::kSelf: {
      const std::uint64_t length = arg.kind == ArgKind::kInOut ? detail::min(before, after) : after;
      return detail::capped(desc, arg, args, length + arg.size);
    }
  }
  return 0;
}

}  // namespace mx::sys
