/* A data watch hit by mov ss, then icebp, int 1 or int3 in its shadow. */
#include "common.inc"
main:
  mov $selector, %eax
  mov %rax, %dr0
  mov $0xf0603, %eax
  mov %rax, %dr7
SITE case_icebp
  mov selector, %ss
  .byte 0xf1
SITE case_int1
  mov selector, %ss
  int $1
SITE case_int3
  mov selector, %ss
  int3
SITE all_done
  nop
  xor %eax, %eax
  mov %rax, %dr7
  TRAPS main
  DONE 4
.data
.balign 4
selector: .long DATA
