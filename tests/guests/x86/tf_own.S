/* The guest single-steps itself over four instructions. */
#include "common.inc"
main:
  SAY "tf\n"
SITE before
  pushfq
  orl $0x100, (%rsp)
  popfq
SITE traced
  nop
SITE traced1
  xor %eax, %eax
SITE traced2
  pushfq                        /* the guest must see its own TF */
SITE traced3
  andl $~0x100, (%rsp)
  popfq
SITE after
  nop
SITE after1
  pushfq
  popq flags_after
  SAY "flags_after="
  HEX flags_after
  NL
  TRAPS traced
  DONE 4
.data
DATA64 flags_after
