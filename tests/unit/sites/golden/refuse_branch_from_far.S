// A cold part, a function of its own, jumps back into the region.
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
  .skip 200, 0x90
  .globl f_cold
  .type f_cold, @function
f_cold:
  .cfi_startproc
mov $1, %edi
jmp 2b
  .cfi_endproc
  .size f_cold, .-f_cold
  .section .note.GNU-stack,"",@progbits
