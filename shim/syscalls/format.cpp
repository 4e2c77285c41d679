#include "shim/syscalls/format.h"

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "shim/syscalls/format_parts.h"

namespace mx::sys {
namespace {

constexpr std::int64_t kMaxErrno = 4095;

std::string print(const char* format, std::uint64_t value) {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

/// Errors that the kernel keeps to itself, except towards a tracer: the call is begun again or
/// becomes EINTR.
const char* restart_error(int error) {
  switch (error) {
    case 512:
      return "ERESTARTSYS (To be restarted if SA_RESTART is set)";
    case 513:
      return "ERESTARTNOINTR (To be restarted)";
    case 514:
      return "ERESTARTNOHAND (To be restarted if no handler)";
    case 516:
      return "ERESTART_RESTARTBLOCK (Interrupted by signal)";
    default:
      return nullptr;
  }
}

std::string error_text(int error) {
  if (const char* text = restart_error(error)) return std::string("-1 ") + text;
  const char* name = strerrorname_np(error);
  if (name == nullptr) return std::to_string(-error);
  return std::string("-1 ") + name + " (" + strerrordesc_np(error) + ")";
}

std::string value(const format::Call& call, int i) {
  const std::uint64_t raw = masked(call.desc, i, call.args);
  if (std::string named = format::named_value(call, i); !named.empty()) return named;
  switch (call.desc.args[i].kind) {
    case ArgKind::kInt:
    case ArgKind::kFd:
    case ArgKind::kPid:
      return std::to_string(static_cast<std::int32_t>(raw));
    case ArgKind::kDirFd:
      return static_cast<std::int32_t>(raw) == -100
                 ? "AT_FDCWD"
                 : std::to_string(static_cast<std::int32_t>(raw));
    case ArgKind::kSig:
      return format::signal_name(static_cast<std::int32_t>(raw));
    case ArgKind::kLong:
    case ArgKind::kOff:
      return std::to_string(static_cast<std::int64_t>(raw));
    case ArgKind::kUint:
      // chown and its like: -1 leaves the owner as it is.
      return raw == 0xffffffff ? "-1" : std::to_string(raw);
    case ArgKind::kUlong:
    case ArgKind::kSize:
      return std::to_string(raw);
    case ArgKind::kMode:
      return raw == 0 ? "0" : print("0%" PRIo64, raw);
    case ArgKind::kPtr:
      return format::address(raw);
    default:
      return raw == 0 ? "0" : print("%#" PRIx64, raw);
  }
}

std::string arguments(const format::Call& call) {
  std::string text;
  for (int i = 0; i < call.desc.nargs; ++i) {
    if (i > 0) text += ", ";
    text += is_memory(call.desc.args[i].kind) ? format::memory(call, i) : value(call, i);
  }
  return text;
}

/// Nothing is known of the arguments: all six registers.
std::string unknown_arguments(const std::uint64_t* args) {
  std::string text;
  for (int i = 0; i < kMaxArgs; ++i) text += (i > 0 ? ", " : "") + print("%#" PRIx64, args[i]);
  return text;
}

std::string head(const format::Call& call) {
  const bool unknown = &call.desc == &detail::kUnknown;
  return std::string(call.desc.name) + "(" +
         (unknown ? unknown_arguments(call.args) : arguments(call)) + ") = ";
}

}  // namespace

bool read_nothing(std::uint64_t, void*, std::size_t) { return false; }

std::string format_result(const Desc& desc, std::int64_t ret) {
  if (ret < 0 && ret >= -kMaxErrno) return error_text(static_cast<int>(-ret));
  switch (desc.ret) {
    case RetKind::kNone:
      return "?";
    case RetKind::kAddr:
      return print("%#" PRIx64, static_cast<std::uint64_t>(ret));
    default:
      return desc.nr == kUmask ? print("0%" PRIo64, static_cast<std::uint64_t>(ret))
                               : std::to_string(ret);
  }
}

std::string format_call(const Desc& desc, const std::uint64_t args[kMaxArgs], std::int64_t ret,
                        const Reader& reader) {
  return head({desc, args, true, ret, reader}) + format_result(desc, ret);
}

std::string format_pending(const Desc& desc, const std::uint64_t args[kMaxArgs],
                           const Reader& reader) {
  return head({desc, args, false, 0, reader}) + "?";
}

}  // namespace mx::sys
