// No bounds, and the gap holds what is no instruction.
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
  ret
  .byte 0x06
  .p2align 4
  .globl known_too
  .type known_too, @function
known_too:
  .cfi_startproc
ret
  .cfi_endproc
  .size known_too, .-known_too
  .section .note.GNU-stack,"",@progbits
