/* The guest's own debugging: breakpoint instructions from every exception level and stack, and its own
   debug registers, which it must find as it left them. */
#include "common.inc"
main:
  msr oslar_el1, xzr
  isb
  ldr x0, =own_point
  msr dbgbvr0_el1, x0
  mov x0, #0x1e4 // not enabled
  msr dbgbcr0_el1, x0
  ldr x0, =cell
  msr dbgwvr0_el1, x0
  mov x0, #0x1ffc // not enabled
  msr dbgwcr0_el1, x0
SITE brk_spx
  brk #7
SITE after_spx
  ldr x0, =stacks + 0x3000
  msr sp_el0, x0
  msr spsel, #0
SITE brk_sp0
  brk #8
SITE after_sp0
  msr spsel, #1
  ldr x0, =user
  msr elr_el1, x0
  mov x0, #0
  msr spsr_el1, x0
SITE to_user
  eret
SITE user
  nop
SITE brk_user
  brk #9
SITE after_user
  svc #2
SITE back
  mov x19, #40
SITE own_loop
  msr dbgbvr1_el1, x19
SITE own_point
  mrs x0, dbgbvr1_el1
  cmp x0, x19
  b.ne lost
  subs x19, x19, #1
  b.ne own_loop
SITE own_done
  mrs x0, dbgbvr0_el1
  mrs x1, dbgbcr0_el1
  mrs x2, dbgwvr0_el1
  mrs x3, dbgwcr0_el1
  mrs x4, mdscr_el1
  mrs x5, oslsr_el1
  ldr x6, =main
  sub x0, x0, x6
  ldr x6, =cell
  sub x2, x2, x6
  SAY "own "
  HEX x0
  HEX x1
  HEX x2
  HEX x3
  HEX x4
  HEX x5
  NL
  TRAPS
  DONE 4
SITE lost
  SAY "lost\n"
  DONE 5
.bss
.balign 16
.global cell
cell: .skip 16
