// A conditional jump follows and the syscall is jumped to.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  jmp 1f
  nop
1:
  syscall
  jne 1b
  ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
