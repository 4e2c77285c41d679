// The function ends, and a branch leads to the syscall.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  jmp 1f
1:
  syscall
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
