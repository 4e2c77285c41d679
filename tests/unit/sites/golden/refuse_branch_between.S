// A branch leads between instructions: the decoding is out of step.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
mov $39, %eax
syscall
ret
jmp .-4
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
