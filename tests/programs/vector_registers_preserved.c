// Vector registers, MXCSR and the x87 control word survive system calls, also those with much data and those with a bad buffer.
// expect: ok: vector registers
#include <sys/mman.h>

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

static long over_a_call(long number, long a, const void* b, size_t c, bool avx) {
  register long fourth __asm__("r10") = 0;
  if (avx)
    __asm__ volatile(EACH(LOAD) "syscall\n" EACH(STORE) "vzeroupper\n"
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
  else
    __asm__ volatile(EACH(LOAD_SSE) "syscall\n" EACH(STORE_SSE)
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
  return number;
}

static void check_over(long number, long a, const void* b, size_t c, long result, int seed) {
  unsigned mxcsr = 0x3f80, mxcsr_now;  // round down, all exceptions masked
  unsigned short control = 0x0f7f, control_now;
  bool avx = __builtin_cpu_supports("avx");
  __asm__ volatile("ldmxcsr %0\nfldcw %1" ::"m"(mxcsr), "m"(control));
  for (size_t j = 0; j < sizeof before; j++) before[j] = (unsigned char)(j * 37 + (size_t)seed);
  if (!avx)
    for (int n = 0; n < 16; n++) memset(after + n * 32 + 16, 0, 16), memset(before + n * 32 + 16, 0, 16);
  const long ret = over_a_call(number, a, b, c, avx);
  CHECK(memcmp(before, after, sizeof before) == 0);
  __asm__ volatile("stmxcsr %0\nfnstcw %1" : "=m"(mxcsr_now), "=m"(control_now));
  CHECK((mxcsr_now & ~0x3fu) == (mxcsr & ~0x3fu) && control_now == control);
  CHECK(result == 1 || ret == result);
}

// 10 KiB written and read, and a write whose buffer ends after 4 KiB.
static void much_data(void) {
  static char data[10240];
  const size_t page = 4096, n = sizeof data;
  int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  char* half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(file >= 0 && half != MAP_FAILED && munmap(half + page, page) == 0);
  for (int i = 0; i < 50; i++) {
    data[i * 100] = (char)i;
    check_over(SYS_pwrite64, file, data, n, (long)n, i);
    for (int k = 0; k < 4; k++) check_over(SYS_pread64, file, data, n, (long)n, i + k);
    CHECK(data[i * 100] == (char)i);
    check_over(SYS_pwrite64, file, half, 2 * page, (long)page, i);
  }
}

int main(void) {
  const long calls[] = {SYS_read, SYS_getppid, SYS_clock_gettime, SYS_sched_yield};
  for (int i = 0; i < 400; i++) check_over(calls[i % 4], -1, NULL, 0, 1, i);
  much_data();
  puts("ok: vector registers");
}
