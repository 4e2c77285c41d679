// Vector registers survive calls with much data, which mx digests and compares by vector registers, and a bad buffer.
// expect: ok: much data
#include <sys/mman.h>

#include "check.h"

static unsigned char before[16 * 32] __attribute__((aligned(32)));
static unsigned char after[16 * 32] __attribute__((aligned(32)));

#define EACH(DO) \
  DO(0)          \
  DO(1) DO(2) DO(3) DO(4) DO(5) DO(6) DO(7) DO(8) DO(9) DO(10) DO(11) DO(12) DO(13) DO(14) DO(15)
#define LOAD(n) "movdqa " #n "*32(%[in]), %%xmm" #n "\n"
#define STORE(n) "movdqa %%xmm" #n ", " #n "*32(%[out])\n"
#define LOAD_AVX(n) "vmovdqa " #n "*32(%[in]), %%ymm" #n "\n"
#define STORE_AVX(n) "vmovdqa %%ymm" #n ", " #n "*32(%[out])\n"

static long call_with(long number, long a, const void* b, size_t c, bool avx) {
  register long fourth __asm__("r10") = 0;
  if (avx)
    __asm__ volatile(EACH(LOAD_AVX) "syscall\n" EACH(STORE_AVX) "vzeroupper\n"
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
  else
    __asm__ volatile(EACH(LOAD) "syscall\n" EACH(STORE)
                     : "+a"(number)
                     : [in] "r"(before), [out] "r"(after), "D"(a), "S"(b), "d"(c), "r"(fourth)
                     : "rcx", "r11", "memory");
  return number;
}

static void check_call(long number, long a, const void* b, size_t c, long result) {
  static unsigned char seed;
  const bool avx = __builtin_cpu_supports("avx");
  seed++;
  for (size_t j = 0; j < sizeof before; j++)
    before[j] = avx || j % 32 < 16 ? (unsigned char)(j * 37 + seed) : 0;
  CHECK(call_with(number, a, b, c, avx) == result);
  CHECK(memcmp(before, after, sizeof before) == 0);
}

int main(void) {
  static char data[10240];
  const size_t page = 4096, n = sizeof data;
  int file = open("/tmp", O_TMPFILE | O_RDWR, 0600);
  char* half = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(file >= 0 && half != MAP_FAILED && munmap(half + page, page) == 0);
  for (int i = 0; i < 50; i++) {
    data[i * 100] = (char)i;
    check_call(SYS_pwrite64, file, data, n, (long)n);
    for (int k = 0; k < 4; k++) check_call(SYS_pread64, file, data, n, (long)n);
    CHECK(data[i * 100] == (char)i);
    check_call(SYS_pwrite64, file, half, 2 * page, (long)page);  // its second page is not there
  }
  puts("ok: much data");
}
