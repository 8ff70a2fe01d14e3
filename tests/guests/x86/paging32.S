/* 32-bit two-level paging: a 4M page shows address 0 at 0xc0000000. */
#include "common32.inc"
main:
  mov $page_directory, %eax
  movl $0x83, (%eax)
  movl $0x83, 0xc00(%eax)
  mov %eax, %cr3
  mov %cr4, %eax
  or $0x10, %eax
  mov %eax, %cr4
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
SITE paged
  nop
  mov $high_part + 0xc0000000, %eax
  jmp *%eax
SITE high_part
  nop
SITE high_site
  incl rounds
  mov $back, %eax
  jmp *%eax
SITE back
  SAY "rounds="
  HEX rounds
  NL
  DONE 17
.data
DATA32 rounds
.bss
.balign 4096
page_directory: .skip 4096
