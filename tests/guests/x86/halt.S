/* Halts with interrupts off: nothing can wake it. */
#include "common.inc"
main:
  SAY "halting\n"
  cli
SITE halt_at
  hlt
SITE halt_next
  SAY "woke\n"
  DONE 9
