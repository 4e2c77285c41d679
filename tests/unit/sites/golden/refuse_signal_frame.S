// The CFI says it: a signal handler returns here.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
.cfi_signal_frame
mov %rdi, %rax
nop
nop
nop
syscall
ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
