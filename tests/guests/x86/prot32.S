/* 32-bit flat protected mode, paging off. */
#include "common32.inc"
main:
  mov $3, %ebp
SITE round
  nop
SITE site32
  incl rounds
SITE step32
  push %eax
SITE step32_next
  pop %eax
SITE write8
  movl %ebp, wide + 4
SITE write8_next
  nop
  dec %ebp
  jnz round
  SAY "rounds="
  HEX rounds
  NL
  DONE 13
.data
DATA32 rounds
.balign 8
.global wide
wide: .quad 0
