/* Three rounds through a row of sites: plain, covered, and awkward to pass. */
#include "common.inc"
main:
  movl $3, %ebp
SITE round
  nop
SITE site0
  nop
SITE site1
  endbr64
SITE site2
  push %rax
SITE site3
  pop %rax
SITE site4
  lea 1(%rbp), %rdx
SITE site5
  call leaf
SITE site6
  incq rounds
  mov $text, %esi
  mov $4, %ecx
  mov $0xe1, %edx
SITE site_outs
  rep outsb
  mov $0xfd000000, %ebx
SITE site_mmio
  mov (%rbx), %eax
SITE site_last
  mov $0xe2, %edx
  in %dx, %al
  mov %al, port_writes
  dec %ebp
SITE site_jump
  jnz round
  SAY "rounds="
  HEX rounds, 2
  SAY " port_writes="
  HEX port_writes, 2
  NL
  TRAPS main
  DONE 1
SITE leaf
  nop
SITE leaf_ret
  ret
.data
DATA64 rounds
DATA64 port_writes
text: .ascii "abcd"
