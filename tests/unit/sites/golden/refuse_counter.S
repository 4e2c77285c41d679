// No room beside the reader of the counter, none behind the function: it is left as it is, and no site.
  .text
  .p2align 4
  .globl run_counter_refused
  .type run_counter_refused, @function
run_counter_refused:
  .cfi_startproc
  mov $39, %eax
1:
  syscall
2:
  test %rdi, %rdi
  jne 3f
  rdtsc
3:
  dec %rdi
  js 2b
  jz 1b
  ret
  .cfi_endproc
  .size run_counter_refused, .-run_counter_refused
  .skip 4, 0xcc
  .section .note.GNU-stack,"",@progbits
