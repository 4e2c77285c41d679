// A call follows, and a loop enters at the syscall.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
1:
  syscall
  call 2f
  jmp 1b
2:
  ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
