/* A kernel that loads a module: first nothing is mapped at MODULE, then an empty page is, then code
   is copied there and called, then other code over it, called again. Between the phases it waits
   long enough that a debugger which looks now and then has looked. Ends with status 41. */
#include "common.inc"
#define MODULE 0xffff800000000000
.macro WAIT                     /* some 0.3 s of time-stamp counter, whatever the speed */
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  mov %rax, %r8
8:pause
  rdtsc
  shl $32, %rdx
  or %rdx, %rax
  sub %r8, %rax
  cmp $900000000, %rax
  jb 8b
.endm
.macro LOAD code
  mov $\code, %esi
  mov $frame, %edi
  mov $16, %ecx
  cld
  rep movsb
.endm
.macro RUN
  mov $MODULE, %rax
  call *%rax
.endm
main:
  SAY "module\n"
SITE waiting
  nop
  WAIT
  mov %cr3, %rbx
  movq $tables + 3, 0x800(%rbx) /* slot 256 */
  movq $tables + 0x1003, tables
  movq $tables + 0x2003, tables + 0x1000
  movq $frame + 3, tables + 0x2000
  mov %rbx, %cr3
SITE mapped
  nop
  WAIT
  LOAD first
SITE loaded
  RUN
  SAY "result="
  HEX result
  NL
SITE again
  nop
  LOAD second
  WAIT
  RUN
  SAY "result="
  HEX result
  NL
  incq apart
SITE apart_written
  movl $7, apart + 4096
SITE apart_written_again
  DONE 20
SITE first
  nop
SITE first_inside
  movq $0x1111, result
  ret
  .fill 32, 1, 0xf4
SITE second
  nop
  movq $0x2222, result
  ret
  .fill 32, 1, 0xf4
.data
DATA64 result
.balign 4096
tables: .skip 0x3000
.global frame
frame: .skip 0x1000
.global apart
apart: .skip 0x2000             /* two pages that little else touches */
