    .section .rodata
    .globl mx_agent_image, mx_agent_image_end
    .balign 4096
mx_agent_image:
    .incbin MX_AGENT_BIN
mx_agent_image_end:
    .section .note.GNU-stack,"",@progbits
