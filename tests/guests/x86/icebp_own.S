/* The guest's own icebp, twice. */
#include "common.inc"
main:
  mov $2, %ebp
SITE again
  nop
SITE own_icebp
  .byte 0xf1
SITE after_icebp
  nop
  dec %ebp
  jnz again
  TRAPS main
  DONE 4
