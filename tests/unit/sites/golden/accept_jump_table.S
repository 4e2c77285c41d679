// A switch as gcc writes it: its cases are known, none is in the region.
  .text
  .p2align 4
  .globl run_jump_table
  .type run_jump_table, @function
run_jump_table:
  .cfi_startproc
  and $1, %edi
  lea table(%rip), %rdx
  movslq (%rdx,%rdi,4), %rcx
  add %rdx, %rcx
  jmp *%rcx
1:
  mov $39, %eax
  jmp 3f
2:
  mov $110, %eax
3:
  nop
  syscall
  mov %rax, %rdi
  ret
  .cfi_endproc
  .size run_jump_table, .-run_jump_table
  .section .rodata
  .p2align 2
table:
  .long 1b - table
  .long 2b - table
  .section .note.GNU-stack,"",@progbits
