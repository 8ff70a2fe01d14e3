/* 64 KiB of firmware: from the reset vector to flat 32-bit mode, where it tries to write to itself:
   ROM below 4 GiB ignores that, the copy below 1 MiB takes it. */
#include "image16.inc"
.code16
.text
SITE _start
SITE post
  xor %ax, %ax
  mov %cs, %ax
  mov %ax, %ds
  mov %ax, %ss
  cld
  mov $0x402, %dx               /* the debug port, if it is there */
  in %dx, %al
  cmp $0xe9, %al
  jne 1f
  mov $'P', %al
  out %al, %dx
1:SAY16 "post\n"
  lgdtl gdt_pointer
  mov %cr0, %eax
  or $1, %al
SITE enter_protected
  mov %eax, %cr0
  ljmpl $8, $0xf0000 + flat32
.code32
SITE flat32
  mov $16, %eax
  mov %eax, %ds
  mov %eax, %ss
  mov $0x7000, %esp
  movb $0x5a, 0xffff0000 + scratch
  cmpb $0x11, 0xffff0000 + scratch
  jne 2f
  movb $0x5a, 0xf0000 + scratch
  cmpb $0x5a, 0xf0000 + scratch
  jne 2f
SITE written
  mov $0x3f8, %edx
  mov $'w', %al
  out %al, %dx
  mov $'\n', %al
  out %al, %dx
  mov $0x8f, %al                /* CMOS: memory above 16 MiB, in 64 KiB */
  mov $0x34, %al
  out %al, $0x70
  in $0x71, %al
  mov %al, %bl
  mov $0x35, %al
  out %al, $0x70
  in $0x71, %al
  mov %al, %bh
SITE memory_known
  mov $22, %al
  out %al, $0xf4
3:hlt
  jmp 3b
2:mov $23, %al
  out %al, $0xf4
  jmp 3b
.code16
PUTS16
.global scratch
scratch: .byte 0x11
.balign 8
gdt: .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer: .word . - gdt - 1
  .long 0xf0000 + gdt
  .org 0xfff0
SITE reset
  ljmp $0xf000, $post
  .org 0x10000
