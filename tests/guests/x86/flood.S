/* Writes numbered lines of 64 characters to COM1 as fast as it can, until `lines` is `limit` (by itself: never);
   then says so and ends with status 6. */
#include "common.inc"
main:
  sti
  nop                           /* some CPUs do not trap between sti and what follows it */
  cld
SITE loop
  mov $line, %rsi
  mov $64, %ecx
  mov $0x3f8, %edx
  rep outsb
  incq lines
  mov lines, %rax
  cmp limit, %rax
  je 3f
  mov $line + 13, %rdi          /* the last of eight digits */
1:mov (%rdi), %al
  inc %al
  mov %al, (%rdi)
  cmp $'9', %al
  jbe loop
  movb $'0', (%rdi)
  dec %rdi
  cmp $line + 6, %rdi
  jae 1b
  jmp loop
3:SAY "flood=end\n"
  DONE 6
.data
DATA64 lines
DATA64 limit
line: .ascii "flood 00000000 abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuv\n"
