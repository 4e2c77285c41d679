#include "shim/agent/memory.h"

#include "shim/agent/bulk.h"
#include "shim/agent/state.h"

static constexpr size_t kSmall = 256;  // `rep` takes 30 to 60 cycles to begin

extern "C" long mx_try(void (*f)(void*), void* argument, uint64_t* guard);

// What two words that may overlap say of 4 to 7 bytes, and of 2 or 3.
template <typename Word>
static inline void copy_ends(void* to, const void* from, size_t n) {
  auto* d = static_cast<char*>(to);
  auto* s = static_cast<const char*>(from);
  Word first, last;
  __builtin_memcpy(&first, s, sizeof first);
  __builtin_memcpy(&last, s + n - sizeof last, sizeof last);
  __builtin_memcpy(d, &first, sizeof first);
  __builtin_memcpy(d + n - sizeof last, &last, sizeof last);
}

static inline void copy_few(void* to, const void* from, size_t n) {
  if (n >= 4) return copy_ends<uint32_t>(to, from, n);
  if (n >= 2) return copy_ends<uint16_t>(to, from, n);
  if (n) *static_cast<char*>(to) = *static_cast<const char*>(from);
}

// Compilers emit calls to these; no libc is linked. `rep movsb` is fast on every CPU with ERMS and
// keeps vector registers untouched.
extern "C" {
void* memcpy(void* to, const void* from, size_t n) {
  void* ret = to;
  if (n >= 8 && n <= kSmall) {
    auto* d = static_cast<char*>(to);
    auto* s = static_cast<const char*>(from);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
      uint64_t v, w;
      __builtin_memcpy(&v, s + i, 8);
      __builtin_memcpy(&w, s + i + 8, 8);
      __builtin_memcpy(d + i, &v, 8);
      __builtin_memcpy(d + i + 8, &w, 8);
    }
    for (; i + 8 <= n; i += 8) {
      uint64_t w;
      __builtin_memcpy(&w, s + i, 8);
      __builtin_memcpy(d + i, &w, 8);
    }
    if (i < n) {
      uint64_t w;
      __builtin_memcpy(&w, s + n - 8, 8);
      __builtin_memcpy(d + n - 8, &w, 8);
    }
    return ret;
  }
  if (n < 8) {
    copy_few(to, from, n);
    return ret;
  }
  asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
  return ret;
}
void* memset(void* to, int c, size_t n) {
  void* ret = to;
  asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(c) : "memory");
  return ret;
}
void* memmove(void* to, const void* from, size_t n) {
  auto* d = static_cast<char*>(to);
  auto* s = static_cast<const char*>(from);
  if (d <= s || d >= s + n) {
    asm volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
    return to;
  }
  asm volatile("std\n rep movsb\n cld" : : "D"(d + n - 1), "S"(s + n - 1), "c"(n) : "memory");
  return to;
}
int memcmp(const void* a, const void* b, size_t n) {
  auto* x = static_cast<const unsigned char*>(a);
  auto* y = static_cast<const unsigned char*>(b);
  size_t i = 0;
  for (uint64_t v, w; i + 8 <= n; i += 8) {
    __builtin_memcpy(&v, x + i, 8);
    __builtin_memcpy(&w, y + i, 8);
    if (v != w) break;
  }
  for (; i < n; i++)
    if (x[i] != y[i]) return x[i] - y[i];
  return 0;
}
}

namespace mx::agent {

bool copy_guarded(void* to, const void* from, size_t n) {
  return n == 0 || guarded([&] { memcpy(to, from, n); });
}

size_t string_length(const char* s, size_t limit) {
  size_t n = 0;
  while (n < limit && s[n]) n++;
  return n;
}

bool string_equal(const char* a, const char* b) {
  while (*a && *a == *b) a++, b++;
  return *a == *b;
}

bool starts_with(const char* s, const char* prefix) {
  while (*prefix)
    if (*s++ != *prefix++) return false;
  return true;
}

void copy_string(char* to, const char* from, size_t limit) {
  size_t n = string_length(from, limit - 1);
  memcpy(to, from, n);
  to[n] = 0;
}

size_t append_number(char* to, size_t at, uint64_t n) {
  char digits[20];
  int k = 0;
  do digits[k++] = static_cast<char>('0' + n % 10);
  while (n /= 10);
  while (k) to[at++] = digits[--k];
  to[at] = 0;
  return at;
}

namespace {

constexpr uint64_t kOdd1 = 0x9e3779b97f4a7c15ULL, kOdd2 = 0xbf58476d1ce4e5b9ULL;

inline uint64_t word_at(const char* p) {
  uint64_t w;
  __builtin_memcpy(&w, p, 8);
  return w;
}

inline uint64_t mix(uint64_t h, uint64_t w) {
  h = (h ^ w) * kOdd2;
  return h ^ (h >> 29);
}

}  // namespace

// Every byte that a version writes goes through here: four chains, so that multiplications overlap.
uint64_t digest(uint64_t seed, const void* bytes, size_t n) {
  uint64_t h = seed ^ (n * kOdd1);
  auto* p = static_cast<const char*>(bytes);
  if (n >= kBulk && has_bulk_digest()) {
    const uint64_t whole = n / kBulkStep * kBulkStep;
    h = bulk_digest(h, p, whole);
    p += whole;
    n -= whole;
  }
  if (n >= 64) {
    uint64_t a = h, b = h ^ kOdd1, c = ~h, d = h + kOdd2;
    for (; n >= 32; n -= 32, p += 32) {
      a = mix(a, word_at(p));
      b = mix(b, word_at(p + 8));
      c = mix(c, word_at(p + 16));
      d = mix(d, word_at(p + 24));
    }
    h = mix(mix(mix(a, b), c), d);
  }
  for (; n >= 8; n -= 8, p += 8) h = mix(h, word_at(p));
  uint64_t w = 0;
  for (size_t i = 0; i < n; i++) w |= uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  if (n) h = mix(h, w);
  return h * kOdd1;
}

bool try_access(void (*f)(void*), void* argument) {
  return mx_try(f, argument, &this_thread()->guard);
}

namespace {

// Calls touch(address) once in each page of [p, p + n).
template <typename F>
bool each_page(const void* p, size_t n, F&& touch) {
  auto first = reinterpret_cast<uint64_t>(p);
  uint64_t last = first + (n ? n - 1 : 0);
  if (last < first) return false;
  return guarded([&] {
    for (uint64_t at = first; at <= last; at = (at | (stream::kPage - 1)) + 1) {
      touch(at);
      if ((at | (stream::kPage - 1)) >= last) return;
    }
  });
}

void read_byte(uint64_t at) {
  char byte;
  asm volatile("movb (%1), %0" : "=q"(byte) : "r"(at) : "memory");
}

// Nothing changes, even if another thread writes there at this moment.
void write_byte(uint64_t at) { asm volatile("lock orb $0, (%0)" : : "r"(at) : "memory", "cc"); }

}  // namespace

// No system call: a container's seccomp profile may forbid process_vm_readv(2), and a good pointer,
// the usual case, costs nothing.
bool readable(const void* p, size_t n) { return each_page(p, n, read_byte); }
bool writable(const void* p, size_t n) { return each_page(p, n, write_byte); }

bool string_readable(uint64_t address, size_t limit) {
  return guarded([&] {
    auto* s = reinterpret_cast<const char*>(address);
    for (size_t n = 0; n < limit; n++) {
      char byte;
      asm volatile("movb (%1), %0" : "=q"(byte) : "r"(s + n) : "memory");
      if (!byte) return;
    }
  });
}

}  // namespace mx::agent
