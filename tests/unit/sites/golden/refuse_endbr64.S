// A landing place for indirect branches stays where it is.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
1:
  syscall
  endbr64
  jmp 1b
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
