/* A kernel that moves itself, as Linux does (KASLR): its text, at 1 MiB, goes on at LINK plus
   `slide_units` times 2 MiB, with nothing mapped below, and its interrupts are handled there. Then it
   calls `tick`, `rounds` times. A file of its symbols: `objcopy --change-addresses LINK - 1 MiB`. */
#include "common.inc"
#define LINK 0xffffffff81000000
#define START 0x100000
main:
  mov slide_units, %ecx
  mov %rcx, %rbx
  shl $21, %rbx
  movabs $LINK - START, %rax
  add %rax, %rbx                          /* %rbx: where physical 0 would be seen */
  mov %cr3, %rdx
  movq $tables + 3, 0xff8(%rdx)           /* slot 511 */
  movq $tables + 0x1003, tables + 510 * 8
  movq $tables + 0x2003, tables + 0x1000 + 8 * 8(,%rcx,8)
  xor %ecx, %ecx
  mov $START + 3, %eax
1:mov %rax, tables + 0x2000(,%rcx,8)
  add $0x1000, %eax
  inc %ecx
  cmp $512, %ecx
  jne 1b
  mov %rdx, %cr3
  xor %ecx, %ecx
1:mov idt + 6(%rcx), %ax                  /* the gates' bits 16-31: a place is below 16 MiB */
  movzwl %ax, %eax
  shl $16, %eax
  add %rbx, %rax
  shr $16, %rax
  mov %ax, idt + 6(%rcx)
  shr $16, %rax
  mov %eax, idt + 8(%rcx)
  add $16, %ecx
  cmp $512, %ecx
  jne 1b
  SAY "slide_units="
  HEX slide_units, 1
  NL
  mov $moved, %eax
  add %rbx, %rax
  jmp *%rax
SITE moved
  call tick
  decq rounds
  jnz moved
  SAY "calls="
  HEX calls, 4
  NL
  DONE 16
SITE tick
  incq calls
SITE tick_ret
  ret
.section .rodata
SITE linux_banner
  .asciz "Linux version 0.0.0 (a test guest that moves as Linux does)\n"
.data
DATA64 slide_units, 1
DATA64 rounds, 16
.bss
DATA64 calls
.balign 4096
tables: .skip 0x3000
