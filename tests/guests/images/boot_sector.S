/* A boot sector: says what it was entered with, calls a BIOS that is not there, leaves. */
#include "image16.inc"
.code16
.text
SITE _start
  jmp begin
SITE begin
  cld
  SAY16 "boot sector\n"
  cmp $0x80, %dl
  jne wrong
  push %cs
  pop %ax
  test %ax, %ax
  jnz wrong
SITE before_int
  mov $0x0201, %ax
  int $0x13
SITE after_int
  SAY16 "back from int 13\n"
  DONE16 20
wrong:
  SAY16 "entered wrongly\n"
  DONE16 21
PUTS16
  .org 510
  .word 0xaa55
