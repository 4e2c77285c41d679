// Unwinders know these bytes.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
mov $15, %rax
syscall
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
