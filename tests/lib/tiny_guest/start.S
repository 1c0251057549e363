/*
 * The first instructions of the tiny guest: a PVH note says where to start, in 32-bit mode with flat
 * segments and EBX on the start information. It maps the first 4 GiB onto themselves, goes to long
 * mode and on in guest.c.
 */
    .section .note.pvh, "a", @note
    .align 4
    .long 4, 4, 18              /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .long start

    .text
    .code32
    .globl start
start:
    cli
    movl $stack_top, %esp
    movl $directories, %edi     /* 2048 pages of 2 MiB */
    movl $0x83, %eax
    xorl %ecx, %ecx
1:  movl %eax, (%edi,%ecx,8)
    addl $0x200000, %eax
    incl %ecx
    cmpl $2048, %ecx
    jne 1b
    movl $directories + 3, %eax
    xorl %ecx, %ecx
2:  movl %eax, pointers(,%ecx,8)
    addl $4096, %eax
    incl %ecx
    cmpl $4, %ecx
    jne 2b
    movl $pointers + 3, top

    movl $top, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax             /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax            /* long mode */
    wrmsr
    movl %cr0, %eax
    orl $0x80000000, %eax       /* paging */
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $8, $in_long_mode

    .code64
in_long_mode:
    movw $16, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    movl %ebx, %edi
    call guest_main
3:  cli
    hlt
    jmp 3b

/* Sleeps until the timer's interrupt. The frame is dropped by hand: an IRET is more than the
 * emulator of a host without nested virtualisation can do. */
    .globl sleep_a_tick
sleep_a_tick:
    pushq %rbp
    movq %rsp, %rbp
    sti
    hlt
    cli
    popq %rbp
    ret

    .globl on_tick
on_tick:
    movl $0xfee000b0, %eax      /* end of interrupt */
    movl $0, (%rax)
    movq %rbp, %rsp
    popq %rbp
    ret

    .data
    .align 8
gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
    .word . - gdt - 1
    .long gdt

    .bss
    .align 4096
top:
    .skip 4096
pointers:
    .skip 4096
    .globl directories
directories:
    .skip 4 * 4096
    .skip 16384
stack_top:

    .section .note.GNU-stack, "", @progbits
