// No CFI, no size: the gap between known functions decodes cleanly.
  .text
  .p2align 4
  .globl known
  .type known, @function
known:
  .cfi_startproc
ret
  .cfi_endproc
  .size known, .-known
  .p2align 4
nameless:
  mov $39, %eax
  syscall
  cmp $-4096, %rax
  ret
  .p2align 4
  .globl known_too
  .type known_too, @function
known_too:
  .cfi_startproc
ret
  .cfi_endproc
  .size known_too, .-known_too
  .section .note.GNU-stack,"",@progbits
