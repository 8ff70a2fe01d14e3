/* Loops, loads and stores, exclusives, interrupt masks, a device: what points, watches and steps are
   tried on. */
#include "common.inc"
#define ROUNDS 3
main:
  ldr x20, =cells
  ldr x21, =wide
  mov x19, #ROUNDS
  mov x2, #0
SITE round
  add x2, x2, #1
SITE after_add
  nop
  bl leaf
SITE after_call
  strb w2, [x20, #1]
SITE after_byte
  strh w2, [x20, #2]
SITE after_half
  str w2, [x20, #4]
SITE after_word
  str x2, [x20, #8]
SITE after_long
  ldr x3, [x20, #8]
SITE after_load
  stp x2, x3, [x20, #16]
SITE after_pair
  dup v0.2d, x2
  dup v1.2d, x2
SITE wide_store
  stp q0, q1, [x20, #32]
SITE after_wide
  str x2, [x21, #256]
SITE after_far
SITE exclusive
  ldxr x4, [x20]
  add x4, x4, #0
SITE in_exclusive
  stxr w5, x4, [x20]
  cbnz w5, exclusive
SITE after_exclusive
  subs x19, x19, #1
SITE round_jump
  b.ne round
SITE rounds_done
  mrs x6, daif
SITE after_mrs
  msr daifclr, #2
SITE after_clear
  mrs x7, daif
  msr daifset, #2
SITE after_set
  mrs x8, daif
  mov x9, #0x140
SITE write_daif
  msr daif, x9
SITE after_write
  mrs x10, daif
  mov x9, #0x3c0
  msr daif, x9
  SAY "daif "
  HEX x6
  SAY " "
  HEX x7
  SAY " "
  HEX x8
  SAY " "
  HEX x10
  NL
  mov x11, #TEST
SITE mmio_read
  ldr w12, [x11]
SITE after_mmio_read
  str w12, [x11, #4]
SITE after_mmio_write
  ldr w13, [x11, #8]
SITE svc_at
  svc #1
SITE after_svc
  SAY "device "
  HEX x12
  SAY " "
  HEX x13
  SAY " sum "
  HEX x2
  SAY " cells "
  ldr x14, [x20, #8]
  HEX x14
  ldr x14, [x20, #32]
  HEX x14
  NL
  TRAPS
  DONE 3
SITE leaf
  mov x15, x2
SITE leaf_return
  ret
.bss
.balign 4096
.global cells, wide
cells: .skip 64
.balign 2048
wide: .skip 2048
