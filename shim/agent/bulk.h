// Many bytes at once, by vector registers. These are the program's, and nobody saves them at a
// rewritten call: what is used here is put back before it returns, after a fault as well. (A server
// of files digests and compares 10 KiB a request: 1.8 µs word by word, of 10 that it takes
// natively.)
#pragma once
#include "shim/agent/state.h"

namespace mx::agent {

inline constexpr uint64_t kBulk = 256;      ///< bytes from which it pays
inline constexpr uint64_t kBulkStep = 128;  ///< both take multiples of this

/// The processor has what bulk_digest() needs (AES instructions; any of the last ten years).
bool has_bulk_digest();
/// 64 bits of `n` bytes, a multiple of kBulkStep, chained through `seed`. One round of AES absorbs
/// 16 bytes in each of eight chains: bytes that differ in one place never give the same chain. Not
/// cryptographic.
uint64_t bulk_digest(uint64_t seed, const void* bytes, uint64_t n);
/// Whether `n` bytes, a multiple of kBulkStep, are the same.
bool bulk_equal(const void* a, const void* b, uint64_t n);

/// The agent has faulted (maybe in one of these, which have touched memory that is not there):
/// where the fault's handler returns to, the program's registers are as they were.
void restore_vectors(Thread* t, Ucontext* uc);

}  // namespace mx::agent
