// The next site stands where bytes are needed.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  jmp 1f
1:
  syscall
  syscall
  jmp 1b
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
