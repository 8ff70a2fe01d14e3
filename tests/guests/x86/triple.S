/* A fault with an empty IDT: triple fault. */
#include "common.inc"
main:
  SAY "triple\n"
  mov $0x600d, %r15d
  lidt empty_idt
SITE fault_at
  ud2
SITE fault_next
  DONE 9
.data
empty_idt: .word 0
  .quad 0
