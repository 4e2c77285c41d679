// A case of the switch is the instruction after the syscall, another the syscall.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  lea table(%rip), %rdx
  movslq (%rdx,%rdi,4), %rcx
  add %rdx, %rcx
  jmp *%rcx
1:
  syscall
2:
  mov %rax, %rdi
  ret
  .cfi_endproc
  .size f, .-f
  .section .rodata
  .p2align 2
table:
  .long 1b - table
  .long 2b - table
  .section .note.GNU-stack,"",@progbits
