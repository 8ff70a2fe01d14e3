/* The guest uses the debug registers itself: reads back, execution breakpoint, data watch. */
#include "common.inc"
main:
  mov $watched, %eax
  mov %rax, %dr0
  mov $exec_site, %eax
  mov %rax, %dr1
  mov $0x1122334455667788, %rax
  mov %rax, %dr2
  mov $0xd0604, %eax            /* DR1 exec, armed; DR0 write, 4 bytes, not yet */
  mov %rax, %dr7
SITE readback
  nop
  mov %dr0, %rax
  sub $watched, %rax
  mov %rax, %r8
  mov %dr2, %r9
  mov %dr3, %r10
  mov %dr6, %r11
  mov %dr7, %r12
  SAY "dr0=+"
  HEX %r8, 2
  SAY " dr2="
  HEX %r9, 16
  SAY " dr3="
  HEX %r10, 16
  SAY " dr6="
  HEX %r11
  SAY " dr7="
  HEX %r12
  NL
SITE before_exec
  nop
SITE exec_site
  nop
SITE after_exec
  mov $0xd0601, %eax            /* now DR0 alone */
  mov %rax, %dr7
SITE before_write
  movl $5, watched
SITE after_write
  nop
  xor %eax, %eax
  mov %rax, %dr7
  movl $6, watched
  mov $0xffff4ff5, %eax         /* stale bits stay until someone clears them */
  mov %rax, %dr6
SITE dr6_written
  nop
  mov %dr6, %rbx
  SAY "dr6_kept="
  HEX %rbx
  NL
  TRAPS main
  DONE 4
.data
DATA64 watched
