// The doors between the program and the agent.
#include <asm/unistd.h>

#define T_SELF 0
#define T_USER_RSP 8
#define T_STACK_TOP 16
#define T_PENDING 24
#define T_KICKED 28
#define T_GO_ON 32
#define KEPT_OUT -512
#define SERIALIZED_WORDS 24

    .text

// The rest of the Regs, from r8 down; then \function(Thread*, Regs*). rsp is at the Regs again.
    .macro serve function
    push %r8
    push %r9
    push %r10
    push %r11
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    mov %gs:T_SELF, %rdi
    mov %rsp, %rsi
    cld
    and $-16, %rsp
    push %rsi
    push %rsi
    call \function
    pop %rsp
    .endm

// Down to rax. The arithmetic flags come back too (popfq would cost more): OF by an addition, the rest by sahf.
    .macro restore
    mov 17*8(%rsp), %rcx
    mov %ecx, %eax
    shr $11, %eax
    and $1, %eax
    add $0x7f, %al
    mov %cl, %ah
    sahf
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    pop %r11
    pop %r10
    pop %r9
    pop %r8
    pop %rax
    .endm

// A rewritten site's trampoline jumps here: rcx = where to go on, all else as at the `syscall`.
// The program's stack is not touched (red zone, tiny stacks).
    .globl mx_entry
    .type mx_entry, @function
mx_entry:
    mov %rsp, %gs:T_USER_RSP
    mov %gs:T_STACK_TOP, %rsp
    pushq %gs:T_USER_RSP
    pushfq
    push %rcx
    push %rax
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    serve mx_fast_call
// Continues the program from the Regs at rsp. rcx and r11 are lost, as at a real `syscall`.
    .globl mx_resume
mx_resume:
    restore
    lea 8(%rsp), %rsp
    pop %rdx
    pop %rsi
    pop %rdi
    lea 8(%rsp), %rsp
    pop %rcx
    lea 8(%rsp), %rsp
    pop %rsp
    jmp *%rcx
    .size mx_entry, .-mx_entry

// The same at a site that reads the time-stamp counter: rdx = where to go on. All registers but rax and rdx (and
// rcx, for rdtscp) are as before when it goes on there.
    .globl mx_counter_entry
    .type mx_counter_entry, @function
mx_counter_entry:
    mov %rsp, %gs:T_USER_RSP
    mov %gs:T_STACK_TOP, %rsp
    pushq %gs:T_USER_RSP
    pushfq
    push %rdx
    pushq $-1
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %rax
    serve mx_read_counter
    restore
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    lea 8(%rsp), %rsp
    popq %gs:T_GO_ON
    lea 8(%rsp), %rsp
    pop %rsp
    jmp *%gs:T_GO_ON
    .size mx_counter_entry, .-mx_counter_entry

// long mx_blocking(long nr, const uint64_t args[6]): a system call that may block. If a signal or a
// kick is already noted, it returns kKeptOut without entering the kernel; a signal handler that
// interrupts between mx_gate_begin and mx_gate_end moves rip to mx_gate_abort (the classic race
// between the check and the `syscall`).
    .globl mx_blocking
    .type mx_blocking, @function
mx_blocking:
    mov %rdi, %rax
    mov %rsi, %r11
    mov 0(%r11), %rdi
    mov 8(%r11), %rsi
    mov 16(%r11), %rdx
    mov 24(%r11), %r10
    mov 32(%r11), %r8
    mov 40(%r11), %r9
    .globl mx_gate_begin
mx_gate_begin:
    cmpq $0, %gs:T_PENDING
    jne mx_gate_abort
    syscall
    .globl mx_gate_end
mx_gate_end:
    ret
    .globl mx_gate_abort
mx_gate_abort:
    mov $KEPT_OUT, %rax
    ret
    .size mx_blocking, .-mx_blocking

// long mx_try(f, argument, uint64_t* guard): calls f(argument) and returns 1. A fault meanwhile goes on at
// mx_try_failed with the stack pointer that stands in *guard: returns 0. May be nested.
    .globl mx_try, mx_try_failed
    .type mx_try, @function
mx_try:
    push %rbx
    push %rbp
    push %r12
    push %r13
    push %r14
    push %r15
    pushq (%rdx)
    push %rdx
    sub $8, %rsp
    mov %rsp, (%rdx)
    mov %rdi, %rax
    mov %rsi, %rdi
    call *%rax
    mov $1, %eax
    jmp 1f
mx_try_failed:
    cld
    xor %eax, %eax
1:  add $8, %rsp
    pop %rdx
    popq (%rdx)
    pop %r15
    pop %r14
    pop %r13
    pop %r12
    pop %rbp
    pop %rbx
    ret
    .size mx_try, .-mx_try

// A hooked function's trampoline jumps here: eax = its number, r11 = how to run it (see locks.h).
    .globl mx_lock_entry
    .type mx_lock_entry, @function
mx_lock_entry:
    mov %r11, %r8
    mov %eax, %r9d
    jmp mx_locked_call
    .size mx_lock_entry, .-mx_lock_entry

// The same for a function of any number of arguments (serialized.h), which runs on a copy of what stands
// on the stack. (al: how many vector registers it takes, 8 at most.)
    .globl mx_serialized_entry
    .type mx_serialized_entry, @function
mx_serialized_entry:
    push %rbp
    mov %rsp, %rbp
    push %rbx
    push %r11
    push %rdi
    push %rsi
    push %rdx
    push %rcx
    push %r8
    push %r9
    sub $128, %rsp
    movups %xmm0, (%rsp)
    movups %xmm1, 16(%rsp)
    movups %xmm2, 32(%rsp)
    movups %xmm3, 48(%rsp)
    movups %xmm4, 64(%rsp)
    movups %xmm5, 80(%rsp)
    movups %xmm6, 96(%rsp)
    movups %xmm7, 112(%rsp)
    mov %eax, %edi
    lea 16(%rbp), %rsi
    call mx_serialized_begin
    mov %eax, %ebx
    movups (%rsp), %xmm0
    movups 16(%rsp), %xmm1
    movups 32(%rsp), %xmm2
    movups 48(%rsp), %xmm3
    movups 64(%rsp), %xmm4
    movups 80(%rsp), %xmm5
    movups 96(%rsp), %xmm6
    movups 112(%rsp), %xmm7
    add $128, %rsp
    pop %r9
    pop %r8
    pop %rcx
    pop %rdx
    pop %rsi
    pop %rdi
    pop %r11
    sub $(8 + SERIALIZED_WORDS*8), %rsp
    jmp 2f
1:  dec %ebx
    mov 16(%rbp,%rbx,8), %rax
    mov %rax, (%rsp,%rbx,8)
2:  test %ebx, %ebx
    jnz 1b
    mov $8, %eax
    call *%r11
    mov %rax, %rbx
    call mx_serialized_end
    mov %rbx, %rax
    mov -8(%rbp), %rbx
    leave
    ret
    .size mx_serialized_entry, .-mx_serialized_entry

// long mx_lock_step(step, a, b, c): enters the agent as a rewritten site does. A signal handler that
// runs first goes back to the `lea`, as far from the end as in a trampoline (patch.cpp).
    .globl mx_lock_step, mx_lock_step_end
    .type mx_lock_step, @function
mx_lock_step:
    mov %rdi, %rax
    mov %rsi, %rdi
    mov %rdx, %rsi
    mov %rcx, %rdx
    .byte 0x48, 0x8d, 0x0d, 14, 0, 0, 0
    .byte 0xff, 0x25, 0, 0, 0, 0
    .quad mx_entry
mx_lock_step_end:
    ret
    .size mx_lock_step, .-mx_lock_step

// long mx_clone(flags, stack, ptid, ctid, tls, Thread* child): the child starts on `stack`, where a
// Regs stands, and goes on in the program after mx_thread_start.
    .globl mx_clone
    .type mx_clone, @function
mx_clone:
    mov %rcx, %r10
    push %r9
    mov %r9, %r11
    mov $__NR_clone, %eax
    push %rbx
    mov %r9, %rbx
    syscall
    test %rax, %rax
    jz 1f
    pop %rbx
    pop %r9
    ret
1:  mov %rsp, %rsi
    mov %rbx, %rdi
    mov %rsp, %rbp
    and $-16, %rsp
    call mx_thread_start
    mov %rbp, %rsp
    jmp mx_resume
    .size mx_clone, .-mx_clone

// long mx_clone_orphan(flags, int32_t* pid): forks a process whose parent ends at once, so that whoever
// adopts orphans is its parent. Returns 0 in it; else the id of that parent, which is to be waited for (__WCLONE), and which
// shares everything with the caller but makes no use of the stack. `*pid` is the new process, or unchanged.
    .globl mx_clone_orphan
    .type mx_clone_orphan, @function
mx_clone_orphan:
    mov %rdi, %r8
    mov %rsi, %r9
    mov $0x4500, %edi // CLONE_VM, CLONE_FILES, CLONE_VFORK; no signal to the parent
    xor %esi, %esi
    xor %edx, %edx
    xor %r10d, %r10d
    mov $__NR_clone, %eax
    syscall
    test %rax, %rax
    jz 1f
    ret
1:  mov %r8, %rdi
    xor %esi, %esi
    mov %r9, %rdx
    xor %r10d, %r10d
    xor %r8d, %r8d
    mov $__NR_clone, %eax
    syscall
    test %rax, %rax
    jz 2f
    xor %edi, %edi
    mov $__NR_exit, %eax
    syscall
    ud2
2:  ret
    .size mx_clone_orphan, .-mx_clone_orphan

// long mx_rest(Resting*): as setjmp: returns 0; returns 1 in a copy of the process, on a new kernel thread.
    .globl mx_rest
    .type mx_rest, @function
mx_rest:
    mov (%rsp), %rdx
    mov %rbx, 0(%rdi)
    mov %rbp, 8(%rdi)
    mov %r12, 16(%rdi)
    mov %r13, 24(%rdi)
    mov %r14, 32(%rdi)
    mov %r15, 40(%rdi)
    lea 8(%rsp), %rcx
    mov %rcx, 48(%rdi)
    mov %rdx, 56(%rdi)
    fxsave64 64(%rdi)
    xor %eax, %eax
    ret
    .size mx_rest, .-mx_rest

// long mx_clone_rested(flags, stack, Resting*, ctid, tls, Thread* child): the child calls mx_rested_start(child)
// on `stack` and goes on where mx_rest(Resting*) was called.
    .globl mx_clone_rested
    .type mx_clone_rested, @function
mx_clone_rested:
    push %rbx
    push %r12
    mov %rdx, %r12
    mov %r9, %rbx
    xor %edx, %edx
    mov %rcx, %r10
    mov $__NR_clone, %eax
    syscall
    test %rax, %rax
    jz 1f
    pop %r12
    pop %rbx
    ret
1:  mov %rbx, %rdi
    and $-16, %rsp
    call mx_rested_start
    mov %r12, %rdi
    fxrstor64 64(%rdi)
    mov 0(%rdi), %rbx
    mov 8(%rdi), %rbp
    mov 16(%rdi), %r12
    mov 24(%rdi), %r13
    mov 32(%rdi), %r14
    mov 40(%rdi), %r15
    mov 48(%rdi), %rsp
    mov $1, %eax
    jmp *56(%rdi)
    .size mx_clone_rested, .-mx_clone_rested

// long mx_clone_aside(flags, stack, int32_t* pid, f, argument): a process that calls f(argument) on `stack`, which is
// aligned to 16 bytes. `pid`: for CLONE_PARENT_SETTID and CLONE_CHILD_CLEARTID. f does not return.
    .globl mx_clone_aside
    .type mx_clone_aside, @function
mx_clone_aside:
    sub $16, %rsi
    mov %rcx, 0(%rsi)
    mov %r8, 8(%rsi)
    mov %rdx, %r10
    xor %r8d, %r8d
    mov $__NR_clone, %eax
    syscall
    test %rax, %rax
    jz 1f
    ret
1:  pop %rax
    pop %rdi
    call *%rax
    ud2
    .size mx_clone_aside, .-mx_clone_aside

// Restores the frame at rdi with the kernel's rt_sigreturn.
    .globl mx_sigreturn
mx_sigreturn:
    mov %rdi, %rsp
    mov $__NR_rt_sigreturn, %eax
    syscall
    ud2

    .globl mx_restorer
mx_restorer:
    mov $__NR_rt_sigreturn, %eax
    syscall
    ud2

// Switches to the Regs at rdi (which stand on this thread's agent stack) for good.
    .globl mx_resume_at
mx_resume_at:
    mov %rdi, %rsp
    jmp mx_resume

// munmap + exit for a thread that leaves: its stack may vanish under it.
    .globl mx_thread_exit
mx_thread_exit:
    mov $__NR_exit, %eax
    syscall
    ud2

// First code in a new program, copied by the monitor to kBootAddress with a BootInfo behind it
// (see boot.h): maps the agent and enters it. Position independent.
    .section .boot, "ax"
    .globl mx_boot_begin, mx_boot_end
mx_boot_begin:
    lea boot_info(%rip), %rbx
    // text: mmap(BOOT.text, text_size, R|X, SHARED|FIXED, fd, image_offset)
    mov 8(%rbx), %rdi
    mov 16(%rbx), %rsi
    mov $5, %edx
    mov $0x11, %r10d
    mov 0(%rbx), %r8
    mov 24(%rbx), %r9
    mov $__NR_mmap, %eax
    syscall
    cmp 8(%rbx), %rax
    jne 9f
    // data: mmap(BOOT.data, data_size, R|W, PRIVATE|FIXED, fd, data_offset)
    mov 32(%rbx), %rdi
    mov 40(%rbx), %rsi
    mov $3, %edx
    mov $0x12, %r10d
    mov 0(%rbx), %r8
    mov 48(%rbx), %r9
    mov $__NR_mmap, %eax
    syscall
    cmp 32(%rbx), %rax
    jne 9f
    // arena: mmap(BOOT.arena, arena_size, R|W, SHARED|FIXED, fd, 0)
    mov 56(%rbx), %rdi
    mov 64(%rbx), %rsi
    mov $3, %edx
    mov $0x11, %r10d
    mov 0(%rbx), %r8
    xor %r9d, %r9d
    mov $__NR_mmap, %eax
    syscall
    cmp 56(%rbx), %rax
    jne 9f
    mov %rbx, %rdi
    mov %rsp, %rsi
    lea mx_boot_begin(%rip), %rsp
    add $4096, %rsp
    mov 72(%rbx), %rax
    jmp *%rax
9:  mov $125, %edi
    mov $__NR_exit_group, %eax
    syscall
    ud2
    .balign 8
    .globl mx_boot_info
mx_boot_info:
boot_info:
    .skip 256
mx_boot_end:
    .section .note.GNU-stack,"",@progbits

// Restorer for handlers that the program registered without SA_RESTORER.
    .text
    .globl mx_user_restorer
mx_user_restorer:
    mov $__NR_rt_sigreturn, %eax
    lea 1f(%rip), %rcx
    jmp mx_entry
1:  ud2
