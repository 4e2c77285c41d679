// Vector registers, MXCSR and the x87 control word survive system calls.
// expect: ok: vector registers
#include "check.h"

static unsigned char before[16 * 32] __attribute__((aligned(32)));
static unsigned char after[16 * 32] __attribute__((aligned(32)));

#define EACH(DO) \
  DO(0)          \
  DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
#define LOAD(n) "vmovdqa " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE(n) "vmovdqa %%ymm" #n ", " #n "*32(%[out])\n"
#define LOAD_SSE(n) "movdqa " #n "*32(%[in]), %%xmm" #n "\n"
#define STORE_SSE(n) "movdqa %%xmm" #n ", " #n "*32(%[out])\n"

static void over_a_call(long number, bool avx) {
  if (avx)
    __asm__ volatile(EACH(LOAD) "syscall\n" EACH(STORE) "vzeroupper\n"
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(-1L), "S"(0L), "d"(0L)
                     : "rcx", "r11", "memory");
  else
    __asm__ volatile(EACH(LOAD_SSE) "syscall\n" EACH(STORE_SSE)
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(-1L), "S"(0L), "d"(0L)
                     : "rcx", "r11", "memory");
}

int main(void) {
  const long calls[] = {SYS_read, SYS_getppid, SYS_clock_gettime, SYS_sched_yield};
  unsigned mxcsr = 0x3f80, mxcsr_now;  // round down, all exceptions masked
  unsigned short control = 0x0f7f, control_now;
  bool avx = __builtin_cpu_supports("avx");
  __asm__ volatile("ldmxcsr %0\nfldcw %1" ::"m"(mxcsr), "m"(control));
  for (int i = 0; i < 400; i++) {
    for (size_t j = 0; j < sizeof before; j++) before[j] = (unsigned char)(j * 37 + (size_t)i);
    if (!avx)
      for (int n = 0; n < 16; n++)
        memset(after + n * 32 + 16, 0, 16), memset(before + n * 32 + 16, 0, 16);
    over_a_call(calls[i % 4], avx);
    CHECK(memcmp(before, after, sizeof before) == 0);
    __asm__ volatile("stmxcsr %0\nfnstcw %1" : "=m"(mxcsr_now), "=m"(control_now));
    CHECK((mxcsr_now & ~0x3fu) == (mxcsr & ~0x3fu) && control_now == control);
  }
  puts("ok: vector registers");
}
