// What an address points to: strings, buffers, arrays, message headers.
#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "shim/syscalls/format_parts.h"

namespace mx::sys::format {
namespace {

/// A NUL-terminated string. Read page by page: what follows its end need not exist.
std::string string_at(const Reader& reader, std::uint64_t at) {
  constexpr std::uint64_t kPage = 4096;
  if (at == 0) return "NULL";
  std::uint8_t bytes[kMaxString + 1];
  std::size_t have = 0;
  while (have < sizeof bytes) {
    const std::size_t step =
        std::min<std::uint64_t>(sizeof bytes - have, kPage - (at + have) % kPage);
    if (!reader(at + have, bytes + have, step)) return address(at);
    const std::uint8_t* end = std::find(bytes + have, bytes + have + step, 0);
    if (end != bytes + have + step) return quoted(bytes, end - bytes, false);
    have += step;
  }
  return quoted(bytes, kMaxString, true);
}

std::string buffer_at(const Reader& reader, std::uint64_t at, std::uint64_t size) {
  std::uint8_t bytes[kMaxString];
  const std::size_t shown = std::min<std::uint64_t>(size, kMaxString);
  if (shown > 0 && !reader(at, bytes, shown)) return address(at);
  return quoted(bytes, shown, size > shown);
}

/// "[a, b, c, d, ...]": `element(address)` gives the text of one, or an empty string if it cannot
/// be read.
template <typename Element>
std::string array_at(std::uint64_t at, std::uint64_t count, std::size_t stride, Element element) {
  std::string text = "[";
  const std::uint64_t shown = std::min<std::uint64_t>(count, kMaxElements);
  for (std::uint64_t i = 0; i < shown; ++i) {
    const std::string one = element(at + i * stride);
    if (one.empty()) return address(at);
    text += (i > 0 ? ", " : "") + one;
  }
  return text + (count > shown ? ", ...]" : "]");
}

std::string strings_at(const Reader& reader, std::uint64_t at) {
  if (at == 0) return "NULL";
  std::string text = "[";
  for (std::size_t i = 0; i < kMaxElements; ++i) {
    const auto pointer = read<std::uint64_t>(reader, at + i * sizeof(std::uint64_t));
    if (!pointer) return address(at);
    if (*pointer == 0) return text + "]";
    text += (i > 0 ? ", " : "") + string_at(reader, *pointer);
  }
  const auto next = read<std::uint64_t>(reader, at + kMaxElements * sizeof(std::uint64_t));
  return text + (next && *next == 0 ? "]" : ", ...]");
}

bool is_socket_address(const Desc& desc, int i) {
  switch (desc.nr) {
    case kConnect:
    case kBind:
    case kAccept:
    case kAccept4:
    case kGetsockname:
    case kGetpeername:
      return i == 1;
    case kSendto:
    case kRecvfrom:
      return i == 4;
    default:
      return false;
  }
}

/// `bytes`: how many of the buffers together hold data.
std::string iovecs_at(const Reader& reader, std::uint64_t at, std::uint64_t count,
                      std::uint64_t bytes) {
  return array_at(at, count, sizeof(struct iovec), [&](std::uint64_t element) {
    const auto iov = read<struct iovec>(reader, element);
    if (!iov) return std::string();
    const std::uint64_t filled = std::min<std::uint64_t>(bytes, iov->iov_len);
    bytes -= filled;
    return "{iov_base=" +
           buffer_at(reader, reinterpret_cast<std::uint64_t>(iov->iov_base), filled) +
           ", iov_len=" + std::to_string(iov->iov_len) + "}";
  });
}

std::string message_at(const Reader& reader, std::uint64_t at, std::uint64_t bytes) {
  const auto message = read<struct msghdr>(reader, at);
  if (!message) return {};
  std::string text = "{";
  if (message->msg_name != nullptr) {
    text += "msg_name=" +
            socket_address(reader, reinterpret_cast<std::uint64_t>(message->msg_name),
                           message->msg_namelen) +
            ", ";
  }
  text += "msg_iov=" + iovecs_at(reader, reinterpret_cast<std::uint64_t>(message->msg_iov),
                                 message->msg_iovlen, bytes);
  if (message->msg_controllen != 0)
    text += ", msg_controllen=" + std::to_string(message->msg_controllen);
  return text + "}";
}

/// An array of messages: each knows its own length once it was sent or received.
std::string messages_at(const Call& call, int i, std::uint64_t count, bool sent) {
  return array_at(call.args[i], count, sizeof(struct mmsghdr), [&](std::uint64_t element) {
    const auto length = read<unsigned>(call.reader, element + offsetof(struct mmsghdr, msg_len));
    if (!length) return std::string();
    const std::uint64_t bytes = sent ? ~std::uint64_t{0} : *length;
    return message_at(call.reader, element, bytes);
  });
}

/// Bytes of an argument that mean something now: before the call what the kernel reads, after it
/// what it wrote.
std::uint64_t extent(const Call& call, int i) {
  const std::uint64_t word = size_word_address(call.desc, i, call.args);
  const std::uint32_t now = word == 0 ? 0 : read<std::uint32_t>(call.reader, word).value_or(0);
  const ArgKind kind = call.desc.args[i].kind;
  const bool written = kind == ArgKind::kOut || kind == ArgKind::kFdsOut;
  if (!written) return bytes_in(call.desc, i, call.args, now);
  return call.returned ? bytes_out(call.desc, i, call.args, call.ret, now, now) : 0;
}

std::string headers(const Call& call, int i) {
  const Arg& arg = call.desc.args[i];
  const std::uint64_t everything = ~std::uint64_t{0};
  const std::uint64_t got =
      call.returned && call.ret > 0 ? static_cast<std::uint64_t>(call.ret) : 0;
  switch (arg.kind) {
    case ArgKind::kIovIn:
      return iovecs_at(call.reader, call.args[i], detail::count(call.desc, arg.size_arg, call.args),
                       everything);
    case ArgKind::kIovOut:
      return iovecs_at(call.reader, call.args[i], detail::count(call.desc, arg.size_arg, call.args),
                       got);
    case ArgKind::kMsgIn:
      return message_at(call.reader, call.args[i], everything);
    case ArgKind::kMsgOut:
      return got == 0 ? std::string() : message_at(call.reader, call.args[i], got);
    case ArgKind::kMmsgIn:
      return messages_at(call, i, detail::count(call.desc, arg.size_arg, call.args), true);
    default:  // kMmsgOut
      return got == 0 ? std::string() : messages_at(call, i, got, false);
  }
}

bool is_header(ArgKind kind) { return kind >= ArgKind::kIovIn && kind <= ArgKind::kMmsgOut; }

/// A structure, an array of structures, or plain bytes.
std::string contents(const Call& call, int i) {
  const Arg& arg = call.desc.args[i];
  const std::uint64_t at = call.args[i];
  const std::uint64_t bytes = extent(call, i);
  const bool output = (call.desc.out_mask >> i & 1) != 0;
  if (bytes == 0) return output && !(call.returned && call.ret >= 0) ? address(at) : "[]";
  if (is_socket_address(call.desc, i)) return socket_address(call.reader, at, bytes);
  if (arg.type == Struct::kNone)
    return arg.rule == SizeRule::kBits || arg.rule == SizeRule::kSelf
               ? address(at)
               : buffer_at(call.reader, at, bytes);
  const bool array = arg.rule == SizeRule::kArgTimes || arg.rule == SizeRule::kRetTimes;
  if (!array) return structure_at(call.reader, arg.type, at);
  return array_at(at, bytes / arg.size, arg.size, [&](std::uint64_t element) {
    return structure_at(call.reader, arg.type, element);
  });
}

}  // namespace

std::string address(std::uint64_t value) {
  if (value == 0) return "NULL";
  char text[32];
  std::snprintf(text, sizeof text, "%#" PRIx64, value);
  return text;
}

std::string quoted(const std::uint8_t* bytes, std::size_t size, bool cut) {
  std::string text = "\"";
  for (std::size_t i = 0; i < size; ++i) {
    const std::uint8_t c = bytes[i];
    const bool digit_follows = i + 1 < size && bytes[i + 1] >= '0' && bytes[i + 1] <= '9';
    char escape[8];
    if (c == '"' || c == '\\') {
      text += {'\\', static_cast<char>(c)};
    } else if (c == '\n') {
      text += "\\n";
    } else if (c == '\t') {
      text += "\\t";
    } else if (c == '\r') {
      text += "\\r";
    } else if (c >= 0x20 && c < 0x7f) {
      text += static_cast<char>(c);
    } else {
      std::snprintf(escape, sizeof escape, digit_follows ? "\\%03o" : "\\%o", c);
      text += escape;
    }
  }
  return text + (cut ? "\"..." : "\"");
}

std::string memory(const Call& call, int i) {
  const std::uint64_t at = call.args[i];
  if (at == 0) return "NULL";
  switch (call.desc.args[i].kind) {
    case ArgKind::kPath:
    case ArgKind::kStr:
      return string_at(call.reader, at);
    case ArgKind::kStrv:
      return strings_at(call.reader, at);
    default:
      break;
  }
  const std::string text = is_header(call.desc.args[i].kind) ? headers(call, i) : contents(call, i);
  return text.empty() ? address(at) : text;
}

}  // namespace mx::sys::format
