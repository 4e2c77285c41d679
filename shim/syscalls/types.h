// What the table says about a system call: its treatment, its arguments, their sizes. Freestanding,
// like syscalls.h, which is the header to include.
#pragma once

#include <cstdint>

namespace mx::sys {

/// Who executes a call, and where the follower gets its results from (docs/syscalls.md says it at
/// length).
enum class Treatment : std::uint8_t {
  kLocal,   ///< each version on its own, no event. Arguments of kind kPid: translate to the
            ///< version's own ids.
  kBoth,    ///< executed in each version, results compared, the leader's returned. kPid: as kLocal.
  kLeader,  ///< the leader executes, the follower compares its arguments and copies the results
  kNewFd,   ///< as kLeader; the result (ret == kFd, or a kFdsOut argument) is new descriptors
  kFile,    ///< the path decides: private (each version its own) or as kLeader / kNewFd
  kQuery,   ///< free of side effects; sequences need not match
  kProcess,  ///< processes and signals sent: ids are the leader's; always has a handler
  kSignal,   ///< masks, handlers and waiting for signals: virtual; always has a handler
  kRefuse,   ///< -ENOSYS, and a `refused` line in the report (none if attr::kAbsent)
};

/// What an argument is. Values come first: see is_value().
enum class ArgKind : std::uint8_t {
  kNone,
  // Values: the register itself counts. Width: register_bits().
  kInt,    ///< int
  kUint,   ///< unsigned int, uid_t, gid_t
  kLong,   ///< long
  kUlong,  ///< unsigned long
  kSize,   ///< size_t
  kOff,    ///< off_t
  kHex,    ///< unsigned long, printed in base 16
  kFlags,  ///< 32 bits of flags
  kMode,   ///< umode_t: 16 bits
  kCmd,    ///< 32 bits: number of a command (ioctl, fcntl, shmctl …)
  kFd,     ///< a descriptor
  kDirFd,  ///< a directory's descriptor or AT_FDCWD, for the path that follows
  kPid,    ///< a process, thread, group or (setpriority, waitid) another id: virtual, that is the
           ///< leader's
  kSig,    ///< a signal's number
  // Not compared.
  kPtr,     ///< an address that means something to the version alone
  kCookie,  ///< an opaque value
  kAny,     ///< a value or an address, depending on a command
  // Strings that the kernel reads, NUL-terminated.
  /// a file name; Arg::size_arg is the index of its kDirFd, or kNoArg: relative to the working
  /// directory
  kPath,
  kStr,   ///< any other string
  kStrv,  ///< NULL-terminated array of strings (argv, envp)
  // Memory. bytes_in() and bytes_out() give the sizes.
  kIn,       ///< read by the kernel
  kOut,      ///< written by the kernel
  kInOut,    ///< both
  kIovIn,    ///< array of iovec; the kernel reads the buffers (write side)
  kIovOut,   ///< array of iovec; the kernel fills the buffers, `ret` bytes in all
  kMsgIn,    ///< msghdr to send
  kMsgOut,   ///< msghdr to fill
  kMmsgIn,   ///< array of mmsghdr to send
  kMmsgOut,  ///< array of mmsghdr to fill, `ret` elements
  kFdsOut,   ///< array of int: new descriptors (pipe, socketpair)
};

/// How many bytes a memory argument has. `size` and `size_arg` are those of Arg.
enum class SizeRule : std::uint8_t {
  kNone,      ///< no memory, or a string
  kFixed,     ///< size
  kArg,       ///< value of argument size_arg
  kArgTimes,  ///< value of argument size_arg * size
  kArgPlus,   ///< value of argument size_arg + size
  kRet,       ///< the result, at most the value of argument size_arg (if any)
  kRetTimes,  ///< (the result, at most the value of argument size_arg) * size
  kRetPlus,   ///< (the result, at most the value of argument size_arg) + size
  kValueAt,   ///< the 32-bit word argument size_arg points to: before the call the capacity, after
              ///< it the length
  kBits,      ///< a bit for each of the first (argument size_arg) numbers, in words of 64
  kSelf,      ///< size + the 32-bit word at the start of this buffer; at most the value of argument
              ///< size_arg (if any)
};

/// For which results the kernel writes a kOut / kInOut argument.
enum class Written : std::uint8_t {
  kSuccess,   ///< result >= 0
  kPositive,  ///< result > 0
  kAlways,    ///< also on error
  kError,     ///< only on error
};

enum class RetKind : std::uint8_t {
  kNone,  ///< returns nothing
  kInt,
  kUint,
  kLong,
  kSize,  ///< ssize_t
  kOff,
  kFd,    ///< a new descriptor
  kPid,   ///< a virtual id
  kAddr,  ///< an address: differs between versions
};

/// The structure an argument points to, where it has a name: for printing.
enum class Struct : std::uint8_t {
  kNone,
#define MX_SYSCALL_STRUCT(id, size, ctype) id,
#include "mx/syscalls/structs.inc"
#undef MX_SYSCALL_STRUCT
};

/// Bits of Desc::attrs.
namespace attr {
inline constexpr std::uint32_t kBlocking = 1u
                                           << 0;  ///< may wait in the kernel for an unbounded time
inline constexpr std::uint32_t kRestart =
    1u << 1;  ///< begun again after a handler with SA_RESTART; else EINTR
inline constexpr std::uint32_t kTimeout = 1u << 2;  ///< has a time limit among its arguments
inline constexpr std::uint32_t kSigmask = 1u << 3;  ///< installs a signal mask while it waits
inline constexpr std::uint32_t kModifies =
    1u << 4;  ///< changes what its path or descriptor names: never private
inline constexpr std::uint32_t kHandler = 1u << 5;  ///< irregular: in mx/syscalls/handlers.inc
inline constexpr std::uint32_t kAbsent =
    1u << 6;  ///< Linux itself answers ENOSYS: refused without a report line
inline constexpr std::uint32_t kNoreturn = 1u << 7;  ///< does not come back to the next instruction
inline constexpr std::uint32_t kTells =
    1u << 8;  ///< another thread may act on what it does before it returns
}  // namespace attr

inline constexpr std::uint8_t kNoArg = 255;
inline constexpr int kMaxArgs = 6;

struct Arg {
  ArgKind kind;
  SizeRule rule;
  std::uint8_t
      size_arg;  ///< index of the argument the size depends on (kPath: of its directory), or kNoArg
  Written written;     ///< kOut, kInOut … only
  bool compare;        ///< both versions must agree on the value (values) or the contents (strings,
                       ///< memory read)
  Struct type;         ///< what it points to
  std::uint16_t size;  ///< bytes; meaning by `rule`
};

struct Desc {
  char name[24];  ///< NUL-terminated
  std::uint32_t attrs;
  std::uint16_t nr;
  Treatment treatment;
  RetKind ret;
  std::uint8_t nargs;
  std::int8_t fd_arg;         ///< index of the first kFd or kDirFd argument, or -1
  std::int8_t path_arg;       ///< index of the first kPath argument, or -1
  std::uint8_t compare_mask;  ///< bit i: the value of register argument i is compared
  std::uint8_t in_mask;   ///< bit i: argument i points to memory whose contents the kernel reads
                          ///< (also strings)
  std::uint8_t out_mask;  ///< bit i: argument i points to memory that the kernel writes
  Arg args[kMaxArgs];
};

static_assert(sizeof(Arg) == 8 && sizeof(Desc) == 88, "no padding that differs between compilers");

}  // namespace mx::sys
