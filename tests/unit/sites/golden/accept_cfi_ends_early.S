// glibc's clone: the CFI ends before the syscall, the symbol knows better.
  .text
  .p2align 4
  .globl run_cfi_ends_early
  .type run_cfi_ends_early, @function
run_cfi_ends_early:
  .cfi_startproc
  mov $39, %eax
  .cfi_endproc
  syscall
  test %rax, %rax
  js 1f
  ret
1:
  neg %rax
  ret
  .size run_cfi_ends_early, .-run_cfi_ends_early
  .section .note.GNU-stack,"",@progbits
