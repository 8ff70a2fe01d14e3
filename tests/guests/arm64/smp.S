/* The first vCPU starts the second by PSCI; both count in one loop. */
#include "common.inc"
main:
  ldr x20, =turns
  cbnz x28, second
  ldr x0, =0xc4000003 // CPU_ON
  mov x1, #1
  ldr x2, =second_entry
  mov x3, #1
SITE call_psci
  hvc #0
  cbnz x0, failed
1: ldr x1, [x20, #8]
  cbz x1, 1b
  mov x19, #200
SITE first_loop
  ldr x1, [x20]
  add x1, x1, #1
  str x1, [x20]
  subs x19, x19, #1
  b.ne first_loop
  SAY "turns "
  ldr x1, [x20]
  HEX x1
  NL
  DONE 7
SITE failed
  SAY "psci "
  HEX x0
  NL
  DONE 8
second_entry:
  b _start // x0: 1
SITE second
  mov x1, #1
SITE second_loop
  str x1, [x20, #8]
  add x1, x1, #1
  b second_loop
.bss
.balign 16
.global turns
turns: .skip 16
