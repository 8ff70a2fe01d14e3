/* PAE paging: 4K pages at 0xc0000000, a 2M page at 0xc0200000, identity below 2M. */
#include "common32.inc"
main:
  movl $tables + 0x1001, tables
  movl $tables + 0x2001, tables + 24
  movl $0x83, tables + 0x1000
  movl $tables + 0x3003, tables + 0x2000
  movl $0x83, tables + 0x2008
  mov $512, %ecx
  mov $3, %eax
  mov $tables + 0x3000, %edi
1:mov %eax, (%edi)
  add $0x1000, %eax
  add $8, %edi
  loop 1b
  mov %cr4, %eax
  or $0x20, %eax
  mov %eax, %cr4
  mov $tables, %eax
  mov %eax, %cr3
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
SITE paged
  nop
  mov $shared + 0xc0000000, %eax
  call *%eax
  mov $shared + 0xc0200000, %eax
  call *%eax
  call shared
  SAY "calls="
  HEX calls
  NL
  DONE 14
SITE shared
  nop
SITE shared_site
  incl calls
SITE shared_ret
  ret
.data
DATA32 calls
.bss
.balign 4096
.global tables
tables: .skip 0x4000
