/* Down to real mode with cs.base 0x12340, a few sites there, and back up. */
#include "common32.inc"
#define SEGMENT 0x1234
main:
  mov $code16, %esi             /* the 16-bit code runs below 1 MiB */
  mov $SEGMENT * 16, %edi
  mov $code16_end - code16, %ecx
  cld
  rep movsb
  lidt real_idt
  ljmp $CODE16, $0
  /* Offsets below are in SEGMENT: linear address 0x12340 + (label - code16). */
.code16
SITE code16
  mov $DATA16, %ax
  mov %ax, %ds
  mov %ax, %es
  mov %ax, %ss
  mov %cr0, %eax
  and $~1, %al
  mov %eax, %cr0
  ljmp $SEGMENT, $real_entry - code16
SITE real_entry
  mov %cs, %ax
  mov %ax, %ds
  mov %ax, %ss
  mov $0x800, %sp
  mov $3, %cx
SITE real_round
  nop
SITE real_site
  incw real_count - code16
SITE real_push
  pushw %cx
SITE real_pop
  popw %cx
  dec %cx
  jnz real_round
SITE real_done
  nop
  mov real_count - code16, %bx
  mov %cr0, %eax
  or $1, %al
  mov %eax, %cr0
  ljmpl $CODE32, $up
SITE real_count
  .word 0
SITE code16_end
.code32
SITE up
  mov $DATA, %eax
  mov %eax, %ds
  mov %eax, %es
  mov %eax, %ss
  mov $stack_top, %esp
  movzx %bx, %ebx
  SAY "real_count="
  HEX %ebx, 4
  NL
  DONE 15
.data
real_idt: .word 0x3ff
  .long 0
