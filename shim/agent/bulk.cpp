#include "shim/agent/bulk.h"

#include "shim/agent/memory.h"

namespace mx::agent {

namespace {

// The Thread's registers while they are in use. The compiler itself uses none
// (-mgeneral-regs-only).
class Borrowed {
 public:
  Borrowed() : t_(this_thread()) {
    asm volatile(
        "movups %%xmm0, (%0)\n movups %%xmm1, 16(%0)\n movups %%xmm2, 32(%0)\n"
        "movups %%xmm3, 48(%0)\n movups %%xmm4, 64(%0)\n movups %%xmm5, 80(%0)\n"
        "movups %%xmm6, 96(%0)\n movups %%xmm7, 112(%0)\n movups %%xmm8, 128(%0)\n"
        "movups %%xmm9, 144(%0)\n movups %%xmm10, 160(%0)\n movups %%xmm11, 176(%0)\n"
        "movups %%xmm12, 192(%0)\n movups %%xmm13, 208(%0)\n movups %%xmm14, 224(%0)\n"
        "movups %%xmm15, 240(%0)"
        :
        : "r"(t_->vectors)
        : "memory");
    t_->vectors_borrowed = 1;
  }
  ~Borrowed() {
    asm volatile(
        "movups (%0), %%xmm0\n movups 16(%0), %%xmm1\n movups 32(%0), %%xmm2\n"
        "movups 48(%0), %%xmm3\n movups 64(%0), %%xmm4\n movups 80(%0), %%xmm5\n"
        "movups 96(%0), %%xmm6\n movups 112(%0), %%xmm7\n movups 128(%0), %%xmm8\n"
        "movups 144(%0), %%xmm9\n movups 160(%0), %%xmm10\n movups 176(%0), %%xmm11\n"
        "movups 192(%0), %%xmm12\n movups 208(%0), %%xmm13\n movups 224(%0), %%xmm14\n"
        "movups 240(%0), %%xmm15"
        :
        : "r"(t_->vectors)
        : "memory");
    t_->vectors_borrowed = 0;
  }
  Borrowed(const Borrowed&) = delete;
  Borrowed& operator=(const Borrowed&) = delete;

 private:
  Thread* t_;
};

// What the eight chains begin with, besides the seed: digits of pi.
alignas(16) constexpr uint64_t kBegin[16] = {
    0x243f6a8885a308d3, 0x13198a2e03707344, 0xa4093822299f31d0, 0x082efa98ec4e6c89,
    0x452821e638d01377, 0xbe5466cf34e90c6c, 0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917,
    0x9216d5d98979fb1b, 0xd1310ba698dfb5ac, 0x2ffd72dbd01adfb7, 0xb8e1afed6a267e96,
    0xba7c9045f12c7f99, 0x24a19947b3916cf7, 0x0801f2e2858efc16, 0x636920d871574e69};

}  // namespace

bool has_bulk_digest() { return control()->settings.has_aes; }

uint64_t bulk_digest(uint64_t seed, const void* bytes, uint64_t n) {
  const Borrowed borrowed;
  auto* p = static_cast<const char*>(bytes);
  uint64_t low, high;
  asm volatile(
      "movq %[seed], %%xmm15\n"
      "punpcklqdq %%xmm15, %%xmm15\n"
      "movdqa (%[begin]), %%xmm0\n movdqa 16(%[begin]), %%xmm1\n movdqa 32(%[begin]), %%xmm2\n"
      "movdqa 48(%[begin]), %%xmm3\n movdqa 64(%[begin]), %%xmm4\n movdqa 80(%[begin]), %%xmm5\n"
      "movdqa 96(%[begin]), %%xmm6\n movdqa 112(%[begin]), %%xmm7\n"
      "pxor %%xmm15, %%xmm0\n pxor %%xmm15, %%xmm1\n pxor %%xmm15, %%xmm2\n pxor %%xmm15, %%xmm3\n"
      "pxor %%xmm15, %%xmm4\n pxor %%xmm15, %%xmm5\n pxor %%xmm15, %%xmm6\n pxor %%xmm15, %%xmm7\n"
      ".balign 16\n"
      "1:\n"
      "movdqu (%[p]), %%xmm8\n movdqu 16(%[p]), %%xmm9\n movdqu 32(%[p]), %%xmm10\n"
      "movdqu 48(%[p]), %%xmm11\n movdqu 64(%[p]), %%xmm12\n movdqu 80(%[p]), %%xmm13\n"
      "movdqu 96(%[p]), %%xmm14\n movdqu 112(%[p]), %%xmm15\n"
      "aesenc %%xmm8, %%xmm0\n aesenc %%xmm9, %%xmm1\n aesenc %%xmm10, %%xmm2\n"
      "aesenc %%xmm11, %%xmm3\n aesenc %%xmm12, %%xmm4\n aesenc %%xmm13, %%xmm5\n"
      "aesenc %%xmm14, %%xmm6\n aesenc %%xmm15, %%xmm7\n"
      "add $128, %[p]\n"
      "sub $128, %[n]\n"
      "jnz 1b\n"
      "aesenc %%xmm1, %%xmm0\n aesenc %%xmm2, %%xmm0\n aesenc %%xmm3, %%xmm0\n"
      "aesenc %%xmm4, %%xmm0\n aesenc %%xmm5, %%xmm0\n aesenc %%xmm6, %%xmm0\n"
      "aesenc %%xmm7, %%xmm0\n"
      "movdqa (%[begin]), %%xmm1\n"
      "aesenc %%xmm1, %%xmm0\n aesenc %%xmm1, %%xmm0\n aesenc %%xmm1, %%xmm0\n"
      "movq %%xmm0, %[low]\n"
      "psrldq $8, %%xmm0\n"
      "movq %%xmm0, %[high]\n"
      : [p] "+r"(p), [n] "+r"(n), [low] "=&r"(low), [high] "=&r"(high)
      : [seed] "r"(seed), [begin] "r"(kBegin)
      : "cc", "memory");
  return low ^ high;
}

bool bulk_equal(const void* a, const void* b, uint64_t n) {
  const Borrowed borrowed;
  auto* x = static_cast<const char*>(a);
  auto* y = static_cast<const char*>(b);
  uint32_t mask;
  asm volatile(
      ".balign 16\n"
      "1:\n"
      "movdqu (%[x]), %%xmm0\n movdqu 16(%[x]), %%xmm1\n movdqu 32(%[x]), %%xmm2\n"
      "movdqu 48(%[x]), %%xmm3\n movdqu 64(%[x]), %%xmm4\n movdqu 80(%[x]), %%xmm5\n"
      "movdqu 96(%[x]), %%xmm6\n movdqu 112(%[x]), %%xmm7\n"
      "movdqu (%[y]), %%xmm8\n movdqu 16(%[y]), %%xmm9\n movdqu 32(%[y]), %%xmm10\n"
      "movdqu 48(%[y]), %%xmm11\n movdqu 64(%[y]), %%xmm12\n movdqu 80(%[y]), %%xmm13\n"
      "movdqu 96(%[y]), %%xmm14\n movdqu 112(%[y]), %%xmm15\n"
      "pcmpeqb %%xmm8, %%xmm0\n pcmpeqb %%xmm9, %%xmm1\n pcmpeqb %%xmm10, %%xmm2\n"
      "pcmpeqb %%xmm11, %%xmm3\n pcmpeqb %%xmm12, %%xmm4\n pcmpeqb %%xmm13, %%xmm5\n"
      "pcmpeqb %%xmm14, %%xmm6\n pcmpeqb %%xmm15, %%xmm7\n"
      "pand %%xmm1, %%xmm0\n pand %%xmm3, %%xmm2\n pand %%xmm5, %%xmm4\n pand %%xmm7, %%xmm6\n"
      "pand %%xmm2, %%xmm0\n pand %%xmm6, %%xmm4\n pand %%xmm4, %%xmm0\n"
      "pmovmskb %%xmm0, %[mask]\n"
      "cmp $0xffff, %[mask]\n"
      "jne 2f\n"
      "add $128, %[x]\n"
      "add $128, %[y]\n"
      "sub $128, %[n]\n"
      "jnz 1b\n"
      "2:\n"
      : [x] "+r"(x), [y] "+r"(y), [n] "+r"(n), [mask] "=&r"(mask)
      :
      : "cc", "memory");
  return mask == 0xffff;
}

void restore_vectors(Thread* t, Ucontext* uc) {
  constexpr uint64_t kFirstVector = 160;  // of an FXSAVE area, with which the frame's begins
  if (!t->vectors_borrowed) return;
  t->vectors_borrowed = 0;
  if (uc->mc.fpstate)
    memcpy(reinterpret_cast<char*>(uc->mc.fpstate) + kFirstVector, t->vectors, sizeof t->vectors);
}

}  // namespace mx::agent
