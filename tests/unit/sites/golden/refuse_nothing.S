// The bytes 0f 05 in a constant are no site.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
mov $0x050f, %eax
movabs $0x050f050f050f050f, %rdx
ret
  .cfi_endproc
  .size f, .-f
  .section .note.GNU-stack,"",@progbits
