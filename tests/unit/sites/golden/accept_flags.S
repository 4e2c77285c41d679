// Flags set before the region are still there behind it.
  .text
  .p2align 4
  .globl run_flags
  .type run_flags, @function
run_flags:
  .cfi_startproc
cmp $5, %rdi
mov $39, %eax
syscall
mov $0, %eax
setl %al
ret
  .cfi_endproc
  .size run_flags, .-run_flags
  .section .note.GNU-stack,"",@progbits
