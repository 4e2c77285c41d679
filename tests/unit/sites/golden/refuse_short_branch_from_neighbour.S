// The same from nearby, with an 8-bit displacement.
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
2:
  mov %rax, %rdi
  ret
  .cfi_endproc
  .size f, .-f
  .globl neighbour
  .type neighbour, @function
neighbour:
  .cfi_startproc
mov $1, %edi
jmp 2b
  .cfi_endproc
  .size neighbour, .-neighbour
  .section .note.GNU-stack,"",@progbits
