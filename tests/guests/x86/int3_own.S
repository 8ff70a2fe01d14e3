/* The guest's own int3, in both encodings, in a loop with a plain site beside it. */
#include "common.inc"
main:
  mov $2, %ebp
SITE again
  nop
SITE own_int3
  int3
SITE after_int3
  nop
  dec %ebp
  jnz again
SITE own_cd03
  .byte 0xcd, 3
SITE after_cd03
  nop
  TRAPS main
  DONE 4
