// An indirect jump that no table explains may lead anywhere in the function.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
mov $39, %eax
syscall
jmp *%rdx
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
