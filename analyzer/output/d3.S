// The graph library (libjs-d3 of Debian) as bytes in the program: the page needs no network.
    .section .rodata
    .global mx_d3_begin, mx_d3_end
mx_d3_begin:
    .incbin MX_D3_FILE
mx_d3_end:
    .section .note.GNU-stack, "", @progbits
