// Code takes the address of the place after the syscall.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  lea 2f(%rip), %rdx
  jmp 1f
1:
  syscall
2:
  mov %rax, %rdi
  ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
