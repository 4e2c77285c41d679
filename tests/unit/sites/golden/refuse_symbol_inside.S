// Assembly can export a label: somebody may jump to it.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  jmp 1f
1:
  syscall
  .globl inside
inside:
  mov %rax, %rdi
  ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
