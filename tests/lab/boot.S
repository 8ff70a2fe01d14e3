# The boot sector of a lab under Bochs: copies what `places` names from the disk into memory and
# enters Linux at its real-mode code (Linux's Documentation/x86/boot.rst, "16-bit boot protocol").
# The table is filled in by bochs.py.
.code16
.globl _start
_start:
    cli
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %ss
    movw $0x7c00, %sp
    movb %dl, disk
    inb $0x92, %al                  # A20
    orb $2, %al
    outb %al, $0x92
    movw $places, %bp
next_place:
    movl 8(%bp), %edi
read:
    movl (%bp), %eax
    movl %eax, packet_sector
    movl 4(%bp), %eax
    cmpl $64, %eax
    jbe few
    movw $64, %ax                   # 32 KiB at a time
few:
    movw %ax, packet_count
    movzwl %ax, %ecx
    addl %ecx, (%bp)
    subl %ecx, 4(%bp)
    pushl %edi
    pushl %ecx
    pushw %bp
    movw $packet, %si
    movb disk, %dl
    movb $0x42, %ah
    int $0x13
    popw %bp
    popl %ecx
    popl %edi
    jc failed
    cli
    lgdt gdt_pointer                # segments of 4 GiB, kept in real mode
    movl %cr0, %eax
    orb $1, %al
    movl %eax, %cr0
    jmp 1f
1:  movw $8, %bx
    movw %bx, %es
    movw %bx, %ds
    andb $0xfe, %al
    movl %eax, %cr0
    xorw %ax, %ax
    movw %ax, %ds
    movw %ax, %es
    shll $7, %ecx                   # sectors to doublewords
    movl $0x10000, %esi
    cld
    addr32 rep movsl
    sti
    cmpl $0, 4(%bp)
    jne read
    addw $12, %bp
    cmpw $places_end, %bp
    jne next_place
    cli
    movw $0x9000, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %fs
    movw %ax, %gs
    movw %ax, %ss
    movw $0xe000, %sp
    ljmp $0x9020, $0
failed:
    hlt
    jmp failed

disk: .byte 0
.balign 4
packet:
    .byte 16, 0
packet_count: .word 0
    .word 0, 0x1000                 # the buffer, at 0x10000
packet_sector: .quad 0
gdt: .quad 0, 0x00cf93000000ffff
gdt_pointer:
    .word 15
    .long gdt
.org 0x1b0 - 36 - 2
    .word 0
places:                             # first sector, sectors, address; all are 32 bits wide
    .fill 9, 4, 0
places_end:
.org 510
    .word 0xaa55
