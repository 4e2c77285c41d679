// The neighbour's constant looks like a short jump into the region, but is none.
  .text
  .p2align 4
  .globl run
  .type run, @function
run:
  .cfi_startproc
mov $39, %eax
syscall
ret
  .cfi_endproc
  .size run, .-run
  .globl neighbour
  .type neighbour, @function
neighbour:
  .cfi_startproc
mov $0xf9eb, %eax
ret
  .cfi_endproc
  .size neighbour, .-neighbour
  .section .note.GNU-stack,"",@progbits
