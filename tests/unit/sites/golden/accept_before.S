// A jump stands after the syscall, so the number's load moves.
  .text
  .p2align 4
  .globl run_before
  .type run_before, @function
run_before:
  .cfi_startproc
  mov $110, %eax
  syscall
  jmp 1f
  nop
1:
  ret
  .cfi_endproc
  .size run_before, .-run_before
  .section .note.GNU-stack,"",@progbits
