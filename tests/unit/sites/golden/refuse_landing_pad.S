// An exception lands behind the syscall.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
  .cfi_personality 0x9b, routine
  .cfi_lsda 0x1b, lsda
1:
  jmp 2f
2:
  syscall
3:
  mov %rax, %rdi
  ret
4:
  .cfi_endproc
  .size f, .-f
  .section .gcc_except_table, "a", @progbits
lsda:
  .byte 0xff, 0xff, 0x01
  .uleb128 6f - 5f
5:
  .uleb128 1b - f
  .uleb128 4b - 1b
  .uleb128 3b - f
  .uleb128 0
6:
  .data
  .p2align 3
routine:
  .quad 0
  .section .note.GNU-stack,"",@progbits
