/* Jumps to an address that is neither RAM nor device. */
#include "common.inc"
main:
  SAY "badfetch\n"
  mov $0x600d, %r15d
  mov $0xfe000000, %eax
SITE jump_at
  jmp *%rax
