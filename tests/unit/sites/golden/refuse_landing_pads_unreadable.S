// The exception table makes no sense: its landing pads are unknown.
  .text
  .p2align 4
  .globl f
  .type f, @function
f:
  .cfi_startproc
.cfi_personality 0x9b, routine
.cfi_lsda 0x1b, lsda
mov $39, %eax
syscall
ret
  .cfi_endproc
  .size f, .-f
  .section .gcc_except_table, "a", @progbits
lsda:
  .byte 0xff, 0xff, 0x01
  .uleb128 100000
  .data
  .p2align 3
routine:
  .quad 0
  .section .note.GNU-stack,"",@progbits
