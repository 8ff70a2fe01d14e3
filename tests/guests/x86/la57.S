/* 5-level paging, where the CPU has it: a 2M page at 0xff10000000000000 shows address 0.
   Prints `la57=0` and ends with the same status where it has not. */
#include "common.inc"
#define HIGH 0xff10000000000000
main:
  mov $7, %eax
  xor %ecx, %ecx
  cpuid
  bt $16, %ecx
  jc 1f
  SAY "la57=0\n"
  DONE 18
1:lgdt gdt_pointer              /* paging off for the switch, so down to 32-bit mode first */
  push $CODE32
  push $down
  lretq
.code32
down:
  mov %cr0, %eax
  and $0x7fffffff, %eax
  mov %eax, %cr0
  mov %cr3, %eax
  or $3, %eax
  mov %eax, top                 /* slot 0: the tables in use until now */
  mov $0xc0000080, %ecx
  rdmsr
  and $~0x100, %eax
  wrmsr
  mov %cr4, %eax
  or $0x1000, %eax
  mov %eax, %cr4
  mov $top, %eax
  mov %eax, %cr3
  mov $0xc0000080, %ecx
  rdmsr
  or $0x100, %eax
  wrmsr
  mov %cr0, %eax
  or $0x80000000, %eax
  mov %eax, %cr0
  ljmp $CODE64, $up
.code64
up:
SITE paged
  nop
  mov $HIGH, %rax
  add $shared, %rax
  call *%rax
  SAY "la57=1 calls="
  HEX calls, 2
  NL
  DONE 18
SITE shared
  nop
SITE shared_site
  incq calls
  ret
.data
DATA64 calls
.balign 4096
top: .fill 272, 8, 0            /* bits 56-48 of HIGH: 0x110 */
.quad high4 + 3, 0
.fill 238, 8, 0
high4: .quad high3 + 3
.fill 511, 8, 0
high3: .quad high2 + 3
.fill 511, 8, 0
high2: .quad 0x83
.fill 511, 8, 0
