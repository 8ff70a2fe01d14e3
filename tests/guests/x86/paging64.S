/* 4-level paging: one function seen through the identity map, a 4K page, a 2M page and a 1G page,
   then its 4K page moved to another physical page. `have_1g` tells if the CPU has 1G pages. */
#include "common.inc"
#define VIA_4K 0xffff800000000000
#define VIA_2M 0xffff800040000000
#define VIA_1G 0xffff800080000000
.macro CALL_AT base
  mov $\base, %rax
  add $shared, %rax
  call *%rax
.endm
main:
  mov %cr3, %rbx
  movq $tables + 3, 0x800(%rbx)           /* slot 256 */
  movq $tables + 0x1003, tables
  movq $tables + 0x2003, tables + 8
  mov $0x80000000, %eax
  cpuid
  cmp $0x80000001, %eax
  jb 1f
  mov $0x80000001, %eax
  cpuid
  bt $26, %edx
  jnc 1f
  movq $1, have_1g
  movq $0x83, tables + 16
1:movq $0x83, tables + 0x2000
  movq $tables + 0x3003, tables + 0x1000
  xor %ecx, %ecx
  mov $3, %eax
2:mov %rax, tables + 0x3000(,%rcx,8)
  add $0x1000, %rax
  inc %ecx
  cmp $512, %ecx
  jne 2b
  mov %cr3, %rax
  mov %rax, %cr3
SITE mapped
  nop
  CALL_AT 0
  CALL_AT VIA_4K
  CALL_AT VIA_2M
  cmpq $0, have_1g
  je 3f
  CALL_AT VIA_1G
3:SAY "calls="
  HEX calls, 2
  SAY " have_1g="
  HEX have_1g, 1
  NL
  mov $shared, %eax                       /* move the page: copy, then map the copy */
  and $~0xfff, %eax
  mov %eax, %esi
  mov $copy, %edi
  mov $0x1000, %ecx
  cld
  rep movsb
  mov %eax, %ecx
  shr $12, %ecx
  movq $copy + 3, tables + 0x3000(,%rcx,8)
  mov %cr3, %rax
  mov %rax, %cr3
SITE moved
  nop
  CALL_AT VIA_4K
  SAY "calls="
  HEX calls, 2
  NL
  TRAPS main
  DONE 16
SITE shared
  nop
SITE shared_site
  incq calls
SITE shared_ret
  ret
.data
DATA64 calls
DATA64 have_1g
.bss
.balign 4096
.global tables, copy
tables: .skip 0x4000
copy: .skip 0x1000
