// memcpy and friends for the agent, and access to the program's memory.
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
void* memcpy(void* to, const void* from, size_t n);
void* memset(void* to, int c, size_t n);
void* memmove(void* to, const void* from, size_t n);
int memcmp(const void* a, const void* b, size_t n);
}

namespace mx::agent {

/// Length of a NUL-terminated string, at most `limit`.
size_t string_length(const char* s, size_t limit);
bool string_equal(const char* a, const char* b);
bool starts_with(const char* s, const char* prefix);
/// Copies a NUL-terminated string, truncating; always terminates.
void copy_string(char* to, const char* from, size_t limit);

/// Writes n in decimal at to[at]; NUL-terminated. Returns the index of the NUL.
size_t append_number(char* to, size_t at, uint64_t n);

/// 64-bit digest of a byte string (not cryptographic), chained through `seed`.
uint64_t digest(uint64_t seed, const void* bytes, size_t n);

/// Whether the program's memory [p, p+n) can be read (written). A pointer from the program may be
/// bad: the kernel would answer EFAULT, the agent must not fault. Used only
/// where the kernel has not already accessed the range.
bool readable(const void* p, size_t n);
bool writable(const void* p, size_t n);

/// The same for a NUL-terminated string of at most `limit` bytes.
bool string_readable(uint64_t address, size_t limit);

/// Calls f(); false if it touched memory that is not there. What it did until then stands.
bool try_access(void (*f)(void*), void* argument);
template <typename F>
bool guarded(F&& f) {
  return try_access([](void* p) { (*static_cast<F*>(p))(); }, &f);
}
/// Copies between the agent's and the program's memory; false if the program's cannot be accessed.
bool copy_guarded(void* to, const void* from, size_t n);

}  // namespace mx::agent
