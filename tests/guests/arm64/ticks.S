/* A timer's interrupt that is due all the time: a step must stay in line. Needs a GICv3. */
#include "common.inc"
#define GICD 0x08000000
#define GICR 0x080a0000
main:
  ldr x0, =ticking
  msr vbar_el1, x0
  mov x1, #GICD
  mov w2, #0x12 // ARE, group 1
  str w2, [x1]
  ldr x1, =GICR
  str wzr, [x1, #0x14] // awake
  add x1, x1, #0x10000
  mov w2, #-1
  str w2, [x1, #0x80] // all in group 1
  mov w2, #1 << 27
  str w2, [x1, #0x100] // the virtual timer's
  mov x2, #0xff
  msr S3_0_C4_C6_0, x2 // ICC_PMR_EL1
  mov x2, #1
  msr S3_0_C12_C12_7, x2 // ICC_IGRPEN1_EL1
  isb
  mov x19, #0
  mov x20, #0
  msr cntv_cval_el0, xzr
  mov x2, #1
  msr cntv_ctl_el0, x2
SITE armed
  isb
SITE open
  msr daifclr, #2
SITE line_1
  add x20, x20, #1
SITE line_2
  mrs x21, daif
SITE line_3
  add x20, x20, #1
SITE line_4
  cmp x19, #3
  b.lo line_1
SITE ticked
  msr daifset, #2
  SAY "daif "
  HEX x21
  NL
  DONE 6
SITE tick
  mrs x3, S3_0_C12_C12_0 // ICC_IAR1_EL1
  add x19, x19, #1
  cmp x19, #3
  b.lo 1f
  msr cntv_ctl_el0, xzr
  isb
1: msr S3_0_C12_C12_1, x3 // ICC_EOIR1_EL1
  eret
.balign 2048
SITE ticking
  .skip 0x280
  b tick
