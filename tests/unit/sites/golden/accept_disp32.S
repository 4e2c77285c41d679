// The number is loaded relative to RIP: the copy needs its displacement adjusted.
  .text
  .p2align 4
  .globl run_disp32
  .type run_disp32, @function
run_disp32:
  .cfi_startproc
  mov number(%rip), %eax
  syscall
  jmp 1f
1:
  ret
  .cfi_endproc
  .size run_disp32, .-run_disp32
  .section .rodata
  .p2align 2
number:
  .long 39
  .section .note.GNU-stack,"",@progbits
