// The errno check after the syscall moves: nothing before it is touched.
  .text
  .p2align 4
  .globl run_after
  .type run_after, @function
run_after:
  .cfi_startproc
  mov $39, %eax
  syscall
  cmp $-4096, %rax
  ja 1f
  ret
1:
  neg %eax
  ret
  .cfi_endproc
  .size run_after, .-run_after
  .section .note.GNU-stack,"",@progbits
