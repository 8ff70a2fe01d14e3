/* Runs for ever: a counter, a call and a store each round; ends with status 5 once `quit` is set.
   With interrupts on, though none comes: an emulated VMX never leaves a loop that has them off. */
#include "common.inc"
main:
  SAY "spin\n"
  sti
  nop                           /* some CPUs do not trap between sti and what follows it */
SITE loop
  incq counter
  call work
SITE after_work
  cmpl $0, quit
  je loop
  SAY "counter="
  mov counter, %rax
  sub worked, %rax
  HEX %rax
  NL
  DONE 5
SITE work
  nop
  incq worked
SITE work_end
  ret
.data
DATA64 counter
DATA64 worked
DATA64 quit
