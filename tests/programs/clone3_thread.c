// A bare thread made by clone3 without libc: shared memory, cleared tid, futex wake at its end.
// report-allows: refused -- clone3 may be refused with ENOSYS, libc then takes clone
// expect: ok: bare thread
#include <linux/futex.h>
#include <linux/sched.h>
#include <sys/mman.h>

#include "check.h"

static volatile int value;
static int tid_word = -1;

// The child must not return into this frame: it has a stack of its own. All in assembly.
static long bare_thread(struct clone_args* arguments) {
  long result = SYS_clone3;
  register long size __asm__("rsi") = sizeof *arguments;
  __asm__ volatile(
      "syscall\n"
      "test %%eax, %%eax\n"
      "jnz 1f\n"
      "movl $77, %[value]\n"
      "mov %[exit], %%eax\n"
      "xor %%edi, %%edi\n"
      "syscall\n"
      "1:"
      : "+a"(result), [value] "=m"(value)
      : "D"(arguments), "r"(size), [exit] "i"(SYS_exit)
      : "rcx", "r11", "memory");
  return result;
}

int main(void) {
  char* stack = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  struct clone_args arguments = {.flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
                                          CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID |
                                          CLONE_PARENT_SETTID,
                                 .child_tid = (uintptr_t)&tid_word,
                                 .parent_tid = (uintptr_t)&tid_word,
                                 .stack = (uintptr_t)stack,
                                 .stack_size = 65536};
  long tid = bare_thread(&arguments);
  if (tid == -ENOSYS) {  // allowed: libc falls back to clone
    puts("ok: bare thread");
    return 0;
  }
  CHECK(tid > 0);
  for (int seen; (seen = __atomic_load_n(&tid_word, __ATOMIC_SEQ_CST)) != 0;)
    syscall(SYS_futex, &tid_word, FUTEX_WAIT, seen, NULL, NULL, 0);
  CHECK(value == 77);
  puts("ok: bare thread");
}
