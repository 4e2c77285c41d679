// The parts that format.cpp puts together. Not for use outside this folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "shim/syscalls/format.h"

namespace mx::sys::format {

inline constexpr std::size_t kMaxString = 32;   ///< bytes of a string or buffer that are shown
inline constexpr std::size_t kMaxElements = 4;  ///< elements of an array that are shown

/// A call as far as it has come.
struct Call {
  const Desc& desc;
  const std::uint64_t* args;
  bool returned;
  std::int64_t ret;  ///< meaningless unless returned
  const Reader& reader;
};

/// 0x7f12, and NULL for 0.
std::string address(std::uint64_t value);

/// The bytes in quotes, escaped as in C; `cut` adds "...".
std::string quoted(const std::uint8_t* bytes, std::size_t size, bool cut);

// format_names.cpp: names of numbers, for the calls where they are known.

/// The value of register argument `i` by its names (O_RDONLY|O_CLOEXEC), or an empty string if it
/// has none.
std::string named_value(const Call& call, int i);

/// "SIGTERM"; the number itself if it has no name.
std::string signal_name(int signal);

/// "AF_INET"; the number itself if it has no name.
std::string address_family(unsigned family);

/// "POLLIN|POLLHUP", "EPOLLIN|EPOLLET"; "0" for none.
std::string poll_events(std::uint32_t events);
std::string epoll_events(std::uint32_t events);

/// One value of type T at `at`.
template <typename T>
std::optional<T> read(const Reader& reader, std::uint64_t at) {
  T value;
  if (!reader(at, &value, sizeof value)) return std::nullopt;
  return value;
}

// format_structs.cpp

/// One structure as text; empty if it cannot be read or has no text of its own.
std::string structure_at(const Reader& reader, Struct type, std::uint64_t at);

/// "{AF_INET, 127.0.0.1:80}" from a sockaddr of `size` bytes.
std::string socket_address(const Reader& reader, std::uint64_t at, std::uint64_t size);

// format_memory.cpp: what an address points to.

/// The contents of argument `i` (a kind with is_memory()), or its address if they cannot be read.
std::string memory(const Call& call, int i);

}  // namespace mx::sys::format
