// glibc jumps behind a lock prefix when there is one thread: no reason to give up.
  .text
  .p2align 4
  .globl run_lock_prefix
  .type run_lock_prefix, @function
run_lock_prefix:
  .cfi_startproc
  push $1
  test %edi, %edi
  je 1f
  lock
1:
  addq $1, (%rsp)
  mov $39, %eax
  syscall
  pop %rdi
  add %rdi, %rax
  ret
  .cfi_endproc
  .size run_lock_prefix, .-run_lock_prefix
  .section .note.GNU-stack,"",@progbits
