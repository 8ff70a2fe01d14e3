/* A page of code that the guest overwrites with other code while it is under a debugger's
   breakpoint, then runs again. */
#include "common.inc"
main:
  mov $page, %edi
  mov $first, %esi
  call load_page
SITE first_loaded
  call page
  SAY "first="
  HEX result
  NL
  mov $second, %esi
  call load_page
SITE second_loaded
  call page
  SAY "second="
  HEX result
  SAY " page="
  HEX page, 16
  NL
  DONE 10
load_page:
  mov $page, %edi
  mov $32, %ecx
  cld
  rep movsb
  ret
SITE first
  movl $0x1111, result
  nop
  ret
  .fill 32
SITE second
  movq $0x2222, result
  ret
  .fill 32
.data
DATA64 result
.balign 4096
.global page
page: .fill 64, 1, 0xf4
