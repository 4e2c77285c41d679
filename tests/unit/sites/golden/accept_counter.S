// Readers of the time-stamp counter: one with room behind it, one with room before it, and one between
// a branch and a branch's target, which gets there by the padding behind the function.
  .text
  .p2align 4
  .globl run_counter
  .type run_counter, @function
run_counter:
  .cfi_startproc
  rdtscp
  shl $32, %rdx
  or %rdx, %rax
  test %rdi, %rdi
  jne 1f
  rdtsc
2:
  shl $32, %rdx
  or %rdx, %rax
  ret
1:
  lfence
  rdtsc
  jmp 2b
  .cfi_endproc
  .size run_counter, .-run_counter
  .skip 16, 0xcc
  .section .note.GNU-stack,"",@progbits
