// A byte that is no instruction: nothing in the function can be relied on.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
mov $39, %eax
syscall
ret
.byte 0x06
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
