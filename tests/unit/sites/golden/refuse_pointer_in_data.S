// A table of addresses (computed goto) holds the place after the syscall.
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
  .data
  .p2align 3
  .quad 2b
  .section .note.GNU-stack,"",@progbits
