// Neither side is enough alone: two bytes before, one (ret) after.
  .text
  .p2align 4
  .globl run_both
  .type run_both, @function
run_both:
  .cfi_startproc
  mov $110, %edi
1:
  mov %edi, %eax
  syscall
  ret
  test %edi, %edi
  jmp 1b
  .cfi_endproc
  .size run_both, .-run_both
  .section .note.GNU-stack,"",@progbits
