// Behind a ret only padding may be taken. The loop label forbids the other side.
  .text
  .p2align 4
  .globl run_ret_padding
  .type run_ret_padding, @function
run_ret_padding:
  .cfi_startproc
  mov $39, %eax
  jmp 1f
  nop
1:
  syscall
  ret
  nop
  nop
  .cfi_endproc
  .size run_ret_padding, .-run_ret_padding
  .section .note.GNU-stack,"",@progbits
