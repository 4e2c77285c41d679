// Both sides are jumped to: the syscall itself and the instruction after it.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  mov $39, %eax
1:
  syscall
2:
  cmp $-4096, %rax
  ja 1b
  test %edi, %edi
  jne 2b
  ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
