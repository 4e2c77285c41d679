// glibc's vfork shape: the stack pointer moves inside the region.
  .text
  .p2align 4
  .globl run_push_pop
  .type run_push_pop, @function
run_push_pop:
  .cfi_startproc
  push %rbx
  mov $39, %eax
  jmp 1f
  nop
1:
  syscall
  pop %rbx
  xchg %rax, %rdi
  mov %rdi, %rax
  ret
  .cfi_endproc
  .size run_push_pop, .-run_push_pop
  .section .note.GNU-stack,"",@progbits
